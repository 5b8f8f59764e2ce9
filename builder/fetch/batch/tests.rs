use std::io::ErrorKind;
use std::sync::atomic::AtomicU64;

use super::*;
use crate::error::Class;
use crate::test_server::{End, Reply, Server, impatient_client};
use crate::watch::Silent;

mod failures;
mod first_sight;
mod sharing;

/// A cache in a directory of its own, and a way to the network.
struct Home {
    root: tempfile::TempDir,
    cache: Cache,
    client: Client,
}

impl Home {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("temporary directory");
        let cache = Cache::open(&root.path().join("cache")).expect("a new cache");
        Self { root, cache, client: impatient_client() }
    }

    /// Three files at a time, all of them on the network.
    fn batch<'a>(&'a self, watch: &'a dyn Watch) -> Batch<'a> {
        let (cache, client) = (&self.cache, Some(&self.client));
        Batch { name: "packages", cache, client, vault: None, watch, watches: &silent, parallel: 3 }
    }

    fn fetch(&self, wanted: &[Wanted]) -> Result<Vec<PathBuf>> {
        self.batch(&Silent).fetch(wanted)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.root.path().join(name);
        fs_err::write(&path, bytes).expect("writable");
        format!("file://{}", path.display())
    }

    /// Names of what lies in a part of the cache, without marks and notes.
    fn names(&self, directory: &str) -> Vec<String> {
        let entries = fs_err::read_dir(self.root.path().join("cache").join(directory)).expect("the bucket");
        let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        names.filter(|name| !name.ends_with(".seen") && !name.ends_with(".meta")).collect()
    }

    fn assert_nothing_left(&self, case: &str) {
        for directory in ["blob-v1", "partial-v1"] {
            assert_eq!(self.names(directory), Vec::<String>::new(), "{case}: {directory}");
        }
    }
}

fn silent<'a>() -> Box<dyn Watch + 'a> {
    Box::new(Silent)
}

/// Content of its own for each number, several chunks long.
fn content(number: u8) -> Vec<u8> {
    (0..200_000_u32).flat_map(|word| (word ^ (u32::from(number) << 20)).to_le_bytes()).collect()
}

fn wanted(number: u8, locations: &[String]) -> Wanted {
    let (bytes, locations) = (content(number), locations.to_vec());
    let size = Some(bytes.len() as u64);
    Wanted { name: format!("file-{number}.deb"), locations, sha256: Sha256Digest::of(&bytes), size }
}

/// A server with the file `N` at `/N`.
fn archive() -> Server {
    Server::new(|request| match request.path.trim_start_matches('/').parse::<u8>() {
        Ok(number) => Reply::file(request, &format!("\"{number}\""), &content(number)),
        Err(_) => Reply::new("404 Not Found", b""),
    })
}

fn at(server: &Server, number: u8) -> Wanted {
    wanted(number, &[server.url(&number.to_string()).to_string()])
}

fn ranges(server: &Server) -> Vec<Option<usize>> {
    server.requests().iter().map(|request| request.range).collect()
}

/// Counts what a batch tells, and asks to stop after so many bytes.
#[derive(Default)]
struct Counting {
    begun: Mutex<Vec<(String, usize, Option<u64>)>>,
    bytes: AtomicU64,
    parts: AtomicUsize,
    stop_after: Option<u64>,
}

impl Watch for Counting {
    fn begin(&self, task: &str, total: Option<u64>) {
        self.begin_many(task, 1, total);
    }
    fn begin_many(&self, task: &str, parts: usize, total: Option<u64>) {
        self.begun.lock().expect("no panic").push((task.to_owned(), parts, total));
    }
    fn part_done(&self) {
        self.parts.fetch_add(1, Ordering::Relaxed);
    }
    fn advance(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
    fn finish(&self, _outcome: &str) {}
    fn interrupted(&self) -> bool {
        self.stop_after.is_some_and(|limit| self.bytes.load(Ordering::Relaxed) >= limit)
    }
}

#[test]
fn files_come_in_the_order_asked_and_only_once() {
    let (home, server) = (Home::new(), archive());
    let files = [5, 1, 4, 1, 3].map(|number| at(&server, number));
    let watch = Counting::default();
    let paths = home.batch(&watch).fetch(&files).expect("all of them");
    for (path, number) in paths.iter().zip([5, 1, 4, 1, 3]) {
        assert!(fs_err::read(path).expect("readable") == content(number), "{number}");
    }
    assert_eq!(server.requests().len(), 4, "one file is wanted twice");
    let begun = watch.begun.lock().expect("no panic");
    assert_eq!(*begun, [("packages".to_owned(), 4, Some(3_200_000))]);
    assert_eq!(watch.bytes.load(Ordering::Relaxed), 3_200_000);
    assert_eq!(watch.parts.load(Ordering::Relaxed), 4);

    let again = Counting::default();
    let offline = Batch { client: None, ..home.batch(&again) };
    assert_eq!(offline.fetch(&files).expect("cached"), paths);
    assert_eq!(server.requests().len(), 4, "the cache has them");
    assert!(again.begun.lock().expect("no panic").is_empty(), "there is nothing to show");
}

#[test]
fn an_interrupted_batch_goes_on_where_it_stopped() {
    let (home, server) = (Home::new(), archive());
    let file = at(&server, 1);
    let watch = Counting { stop_after: Some(300_000), ..Counting::default() };
    let stopped = home.batch(&watch).fetch(std::slice::from_ref(&file));
    assert!(matches!(stopped, Err(Error::Interrupted)), "{stopped:?}");
    assert_eq!(home.names("blob-v1"), Vec::<String>::new());
    let kept = usize::try_from(watch.bytes.load(Ordering::Relaxed)).expect("small");
    home.fetch(std::slice::from_ref(&file)).expect("the rest");
    assert_eq!(ranges(&server), [None, Some(kept)]);
    assert_eq!(home.names("partial-v1"), Vec::<String>::new());
}

#[test]
fn a_server_that_stalls_does_not_delay_an_interruption() {
    struct StopOnceBegun(AtomicBool);
    impl Watch for StopOnceBegun {
        fn begin(&self, _task: &str, _total: Option<u64>) {}
        fn advance(&self, _bytes: u64) {
            self.0.store(true, Ordering::Relaxed);
        }
        fn finish(&self, _outcome: &str) {}
        fn interrupted(&self) -> bool {
            self.0.load(Ordering::Relaxed)
        }
    }
    let home = Home::new();
    let server = Server::new(|request| Reply::file(request, "\"a\"", &content(1)).end(End::Stall(5000)));
    let stopped = home.batch(&StopOnceBegun(AtomicBool::new(false))).fetch(&[at(&server, 1)]);
    assert!(matches!(stopped, Err(Error::Interrupted)), "{stopped:?}");
    assert_eq!(server.requests().len(), 1, "it was not waited for the stalled connection");
}

#[test]
fn a_broken_connection_and_a_server_without_ranges_lose_nothing() {
    let cut = Server::new(|request| {
        let reply = Reply::file(request, "\"1\"", &content(1));
        if request.number == 1 { reply.end(End::Cut(100_000)) } else { reply }
    });
    Home::new().fetch(&[at(&cut, 1)]).expect("resumed");
    assert_eq!(ranges(&cut), [None, Some(100_000)]);

    let whole = Server::new(|_| Reply::new("200 OK", &content(1)).header("ETag: \"1\""));
    let (home, file) = (Home::new(), at(&whole, 1));
    let watch = Counting { stop_after: Some(300_000), ..Counting::default() };
    home.batch(&watch).fetch(std::slice::from_ref(&file)).expect_err("interrupted");
    let paths = home.fetch(std::slice::from_ref(&file)).expect("all of it again");
    assert!(fs_err::read(&paths[0]).expect("readable") == content(1));
    assert!(matches!(ranges(&whole).as_slice(), [None, Some(_)]));
}

#[test]
fn several_files_are_under_way_at_a_time() {
    // each answer waits until a second request has come; alone, none ever would
    let asked = std::sync::Arc::new((Mutex::new(0), std::sync::Condvar::new()));
    let server = Server::new(move |request| {
        let (count, changed) = &*asked;
        let mut count = count.lock().expect("no panic");
        *count += 1;
        changed.notify_all();
        let long = std::time::Duration::from_secs(20);
        let (count, _) = changed.wait_timeout_while(count, long, |count| *count < 2).expect("no panic");
        if *count < 2 {
            return Reply::new("403 Forbidden", b"");
        }
        Reply::new("200 OK", &content(request.path.trim_start_matches('/').parse().expect("a number")))
    });
    let patience = crate::http::Patience::default();
    let home = Home { client: Client::new(patience).expect("TLS"), ..Home::new() };
    home.fetch(&[1, 2].map(|number| at(&server, number))).expect("two at a time");
}
