//! `pimg clean` removes what pimg made, and nothing else.

use super::Project;

#[test]
fn images_go_and_files_of_the_operator_stay() {
    let project = Project::new();
    project.write("out/node-a/manifest.json", "{}");
    project.write("out/node-a/node-a-1.img.zst", "x");
    project.write("out/.pimg-killed/node-a/half", "x");
    project.write("out/notes/mine.txt", "x");
    project.write("out/.gitkeep", "");
    project.write("out/os_list.json", "{}");
    project.write("out/pimg.rpi-imager-manifest", "{}");
    project.write("out/pimg.svg", "<svg/>");
    project.write("out/release/node-a-1.img.zst", "x");
    let output = project.run(&["clean", "--out", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(answer["schema"], 1);
    assert_eq!(answer["command"], "clean");
    let removed = answer["result"]["removed"].as_array().expect("a list");
    let paths: Vec<_> = removed.iter().map(|entry| entry["path"].as_str().expect("a path")).collect();
    assert_eq!(
        paths,
        [
            "out/.pimg-killed",
            "out/node-a",
            "out/os_list.json",
            "out/pimg.rpi-imager-manifest",
            "out/pimg.svg",
            "out/release"
        ]
    );
    assert!(
        project.path().join("out/notes/mine.txt").exists() && project.path().join("out/.gitkeep").exists()
    );
    assert!(!project.path().join("out/node-a").exists() && !project.path().join("out/.pimg-killed").exists());
}

#[test]
fn a_directory_that_is_no_cache_stays() {
    let project = Project::new();
    project.write("cache/thesis.txt", "x");
    insta::assert_snapshot!(project.snapshot(&["clean", "--cache"]), @r"
    exit code 9
    --- stderr
    error: refusing to remove `[PROJECT]/cache`: it has no CACHEDIR.TAG of pimg

    hint: see whether `PIMG_CACHE` points at the right place, or remove `[PROJECT]/cache` yourself
    ");
    assert!(project.path().join("cache/thesis.txt").exists());
}

#[test]
fn nothing_to_remove_is_no_error() {
    insta::assert_snapshot!(Project::new().snapshot(&["clean", "--cache", "--out"]), @r"
    exit code 0
    --- stderr
    freed 0 B in 0 places
    ");
    assert!(Project::new().run(&["clean", "--cache", "--quiet"]).stderr.is_empty());
}
