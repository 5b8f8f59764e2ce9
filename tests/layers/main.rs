//! Baked layers as artefacts: files, registries, buckets and web servers, and all that must not come into the cache.
//!
//! Debian's `docker-registry` is the registry, `skopeo` its other client, `moto` the bucket, Python's `http.server` the web
//! server. All listen on the loopback address.
#![expect(clippy::disallowed_methods, reason = "tests run pimg and its judges")]

#[path = "../support/mod.rs"]
mod support;

mod archive;
#[path = "../support/layer.rs"]
mod layer;
mod proxy;
mod registry;
mod server;
mod store;
mod token;

use std::path::{Path, PathBuf};
use std::process::Output;

use layer::Layer;
use serde_json::Value;
use support::Project;

/// A machine: a project with a cache of its own.
pub(crate) struct Machine {
    project: Project,
    environment: Vec<(String, String)>,
}

impl Machine {
    fn new() -> Self {
        Self { project: Project::new(), environment: Vec::new() }
    }

    /// A machine of the same project, with the same public key and without the secret one.
    fn beside(other: &Self) -> Self {
        let machine = Self::new();
        let key = "minisign.pub";
        if other.path(key).exists() {
            std::fs::copy(other.path(key), machine.path(key)).expect("copying the public key");
        }
        machine
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.project.join(name)
    }

    fn text_of(&self, name: &str) -> String {
        self.path(name).to_str().expect("a path in UTF-8").to_owned()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.project.pimg(arguments);
        command.env("PIMG_CACHE", self.path("cache"));
        // the docker of whoever runs the tests has nothing to do with them
        for name in [
            "DOCKER_CONFIG",
            "REGISTRY_AUTH_FILE",
            "XDG_RUNTIME_DIR",
            "PIMG_LAYERS",
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "http_proxy",
            "https_proxy",
        ] {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.output().expect("running pimg")
    }

    /// Runs `pimg` and demands success: what it printed.
    fn ok(&self, arguments: &[&str]) -> (String, String) {
        let output = self.run(arguments);
        let (out, err) = texts(&output);
        assert!(output.status.success(), "pimg {arguments:?} failed:\n{err}");
        (out, err)
    }

    /// Runs `pimg` and demands this exit code, these words in what it says, a hint, and a cache as it was.
    fn refuses(&self, arguments: &[&str], code: i32, words: &[&str]) -> String {
        let before = self.layers();
        let output = self.run(arguments);
        let (_, err) = texts(&output);
        assert_eq!(output.status.code(), Some(code), "{err}");
        for word in words {
            assert!(err.contains(word), "`{word}` is not in:\n{err}");
        }
        assert!(err.contains("\nhint: "), "no hint in:\n{err}");
        assert_eq!(self.layers(), before, "the cache is as it was");
        err
    }

    /// Every file of every layer in the cache, with its content.
    fn layers(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        collect(&self.path("cache/bake-v1"), &mut found);
        found.sort();
        found
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let (out, _) = self.ok(&[arguments, &["--json"]].concat());
        serde_json::from_str(&out).expect("one JSON object")
    }

    /// Puts a layer into the cache as a bake does.
    fn keep(&self, layer: &Layer) {
        let directory = self.path("cache/bake-v1").join(&layer.key);
        std::fs::create_dir_all(&directory).expect("making a directory");
        std::fs::write(directory.join("layer.tar.zst"), &layer.bytes).expect("writing a layer");
        std::fs::write(directory.join("layer.json"), &layer.manifest).expect("writing a manifest");
        // a cache of pimg says that it is one
        self.ok(&["layer", "list"]);
    }

    /// What is written of a layer in the cache.
    fn kept(&self, layer: &Layer) -> (Vec<u8>, Vec<u8>) {
        let directory = self.path("cache/bake-v1").join(&layer.key);
        let read = |name| std::fs::read(directory.join(name)).expect("a file of the layer");
        (read("layer.tar.zst"), read("layer.json"))
    }
}

fn collect(directory: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, found);
        } else {
            found.push((path.clone(), std::fs::read(&path).expect("a file")));
        }
    }
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}
