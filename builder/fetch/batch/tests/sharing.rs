use super::*;

#[test]
fn two_batches_on_one_cache_download_each_file_once() {
    let (home, server) = (Home::new(), archive());
    let files: Vec<Wanted> = (1..=5).map(|number| at(&server, number)).collect();
    let other = Cache::open(&home.root.path().join("cache")).expect("the same cache");
    let paths = thread::scope(|scope| {
        let batches = [&home.cache, &other].map(|cache| {
            let (home, files) = (&home, &files);
            scope.spawn(move || Batch { cache, ..home.batch(&Silent) }.fetch(files))
        });
        batches.map(|batch| batch.join().expect("no panic").expect("all of them"))
    });
    assert_eq!(paths[0], paths[1]);
    assert_eq!(server.requests().len(), 5);
    assert_eq!(home.names("blob-v1").len(), 5);
}

#[test]
fn a_vault_is_asked_before_the_network() {
    let home = Home::new();
    let vault = Vault::create(&home.root.path().join("vault")).expect("a new vault");
    let source = home.root.path().join("source");
    fs_err::write(&source, content(1)).expect("writable");
    let file = wanted(1, &["http://127.0.0.1:1/1".to_owned()]);
    let entry = vault.insert(&source, file.sha256).expect("inserted");
    for client in [None, Some(&home.client)] {
        let other = Home::new();
        let batch = Batch { vault: Some(&vault), client, ..other.batch(&Silent) };
        let paths = batch.fetch(std::slice::from_ref(&file)).expect("from the vault");
        assert!(fs_err::read(&paths[0]).expect("readable") == content(1));
    }

    fs_err::write(&entry, content(2)).expect("writable");
    let other = Home::new();
    let server = archive();
    let batch = Batch { vault: Some(&vault), ..other.batch(&Silent) };
    let error = batch.fetch(&[at(&server, 1)]).expect_err("damaged");
    assert_eq!(error.class(), Class::Trust);
    assert!(error.to_string().starts_with(&format!("`{}` in the vault has another digest", entry.display())));
    other.assert_nothing_left("damaged");
    assert!(server.requests().is_empty(), "a damaged vault is no missing file");
}
