//! A base that comes over the network, beside its decoder alone and beside the network alone.
//!
//! Download, digest, parallel decoding and the sparse image are one pass, so a download takes as long as the slower of
//! network and decoder: on a slow network as long as the transfer, on a fast one as long as decoding a local file.
//!
//! `cargo bench` takes the base that `PIMG_TEST_BASE_PIOS` names; a test run takes a file of 1 MiB.
#![expect(clippy::disallowed_methods, reason = "a benchmark is told by its environment what to measure")]

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use pimg_fetch::{BaseFetcher, Cache, Client, Limits, Patience, Pins, Sha256Digest, Silent, Source};
use tempfile::TempDir;

/// Bytes that are sent at once.
const PIECE: usize = 256 << 10;

/// Bytes a second of a network that is slower than the decoder, and of one that is faster: two cores take about 40 MiB of an
/// `.xz` a second.
const SLOW: u64 = 24 << 20;
const FAST: u64 = 4 << 30;

/// The published file, and where it was made where it is none of the user's.
fn published() -> (PathBuf, Option<TempDir>) {
    if std::env::args().any(|argument| argument == "--bench") {
        let named = std::env::var_os("PIMG_TEST_BASE_PIOS").map(PathBuf::from);
        return (named.expect("PIMG_TEST_BASE_PIOS names a base: scripts/make-base makes one"), None);
    }
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("base.img");
    let mut image = vec![0xa5; 1 << 20];
    image[510..512].copy_from_slice(&[0x55, 0xaa]);
    fs::write(&path, image).expect("room");
    (path, Some(directory))
}

/// Answers every request with `path`, `rate` bytes a second, for as long as the program runs.
fn serve(path: &Path, rate: u64) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let address = listener.local_addr().expect("a bound port");
    let path = path.to_owned();
    thread::spawn(move || {
        for stream in listener.incoming() {
            // whoever hangs up early has what it wanted
            let _ = stream.and_then(|stream| answer(stream, &path, rate));
        }
    });
    address
}

fn answer(mut stream: TcpStream, path: &Path, rate: u64) -> io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")?;
    let mut piece = vec![0; PIECE];
    let (began, mut sent) = (Instant::now(), 0_usize);
    loop {
        let count = file.read(&mut piece)?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&piece[..count])?;
        // by the clock and not by pauses: who reads late for once catches up, as from the buffers of a network
        sent += count;
        let due = Duration::from_secs_f64(sent as f64 / rate as f64);
        thread::sleep(due.saturating_sub(began.elapsed()));
    }
}

/// What pimg does, into an empty cache.
fn fetch(source: &Source, pins: Pins, directory: &TempDir) {
    let cache = Cache::open(directory.path()).expect("a cache");
    let client = Client::new(Patience::default()).expect("a client");
    let fetcher =
        BaseFetcher { cache: &cache, client: Some(&client), limits: Limits::default(), watch: &Silent };
    black_box(fetcher.fetch(source, pins).expect("a base"));
}

/// The transfer, and nothing done with it.
fn transfer(address: SocketAddr) {
    let mut stream = TcpStream::connect(address).expect("a server");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("a server");
    io::copy(&mut stream, &mut io::sink()).expect("an answer");
}

fn download(criterion: &mut Criterion) {
    let (path, _made) = published();
    let published = fs::read(&path).expect("a published file");
    let bytes = published.len() as u64;
    // nothing is taken over plain HTTP without a digest
    let pins = Pins { published: Some(Sha256Digest::of(&published)), raw: None };
    drop(published);
    let mut group = criterion.benchmark_group("download");
    group.sample_size(10).sampling_mode(SamplingMode::Flat).throughput(Throughput::Bytes(bytes));
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(60));
    let local = Source::File(path.clone());
    let into_cache = || tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    // the directory is returned, so that removing it is not measured
    let fetched = |source: &Source, directory: TempDir| {
        fetch(source, pins, &directory);
        directory
    };
    group.bench_function("decoder alone", |bencher| {
        bencher.iter_batched(into_cache, |directory| fetched(&local, directory), BatchSize::PerIteration);
    });
    for (name, rate) in [("slow", SLOW), ("fast", FAST)] {
        let address = serve(&path, rate);
        let name_of_file = path.file_name().unwrap_or_default().to_string_lossy();
        let source = Source::parse(&format!("http://{address}/{name_of_file}")).expect("an address");
        group.bench_function(format!("{name} network alone"), |bencher| bencher.iter(|| transfer(address)));
        group.bench_function(format!("{name} network and decoder"), |bencher| {
            bencher.iter_batched(
                into_cache,
                |directory| fetched(&source, directory),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, download);
criterion_main!(benches);
