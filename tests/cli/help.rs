//! Help, version, completions, manual: what a person asks first.

use super::Project;

#[test]
fn the_program_lists_its_commands() {
    insta::assert_snapshot!(Project::new().snapshot(&["-h"]), @r#"
    exit code 0
    --- stdout
    Make finished, flashable Raspberry Pi images, one per node

    Usage: pimg [OPTIONS] <COMMAND>

    Commands:
      build        Build images into out/
      bake         Install the locked packages into layers that images begin with
      check        Check profiles, overlays and templates, without network
      lock         Resolve and pin the base image, every package and every download in pimg.lock
      fetch        Download all that pimg.lock names into the cache
      module       Build kernel modules ahead, so that no node compiles them
      plan         Show every change that a build would make, and where it comes from
      inspect      Show what is in an image: all that it says about itself, or a file in it
      diff         Show in what two images differ: settings, units, packages, files
      bump         Move base image and locked packages to the newest, and show what changes
      verify       Check an image, and the digests, signature and provenance beside it
      flash        Write an image, or what a profile becomes, to cards, and read it back
      secrets      Keep the project's secrets, encrypted, in secrets.age
      keys         Keep the key that signs what is built
      layer        Hand out and take in baked layers
      seed         Put a host's secrets on a card or image of `pimg build --release`
      status       Show how far the first boot of nodes is
      test         Boot images in QEMU until their nodes are finished, with faults on request
      publish      Lay out built images as a release, with links below a URL
      schema       Print the JSON Schema of profiles or overlays, for an editor
      new          Make a project: profiles, overlays, a README
      import       Make profiles of the Ansible inventory of the playbook
      doctor       Say what this machine has and lacks for each command
      clean        Remove cached base images or built images
      completions  Print the completion script of a shell
      man          Print the manual page of pimg or of one command

    Options:
      -h, --help     Print help (see more with '--help')
      -V, --version  Print version

    Global options:
          --project <DIR>   Use the project in DIR: its profiles, overlays, lock and secrets [default:
                            .]
          --json            Print the result as one JSON object
      -q, --quiet           Print nothing but errors and the result
      -v, --verbose         Print more about the result: digests, owners, features
          --progress <HOW>  Choose how progress is shown on stderr [default: auto] [possible values:
                            auto, plain, json, none]
          --color <WHEN>    Choose when to use colours; NO_COLOR is respected [default: auto] [possible
                            values: auto, always, never]

    Example:
      pimg build --profile k8sctl-pi5l
    "#);
}

#[test]
fn without_a_command_it_is_a_usage_error_that_lists_them() {
    let output = Project::new().run(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("Build images into out/"));
}

#[test]
fn build_groups_its_options() {
    insta::assert_snapshot!(Project::new().snapshot(&["build", "-h"]), @r#"
    exit code 0
    --- stdout
    Build images into out/

    Usage: pimg build [OPTIONS] <--profile <NAME>...|--all>

    Options:
      -h, --help  Print help (see more with '--help')

    Which hosts:
      -p, --profile <NAME>...  Build this profile; give it again for more
          --all                Build every profile that has a hostname

    Base image:
          --base <FILE|URL>  Use this base image instead of the profile's

    Where packages come from:
          --locked                         Fail unless pimg.lock is there and fits: base, packages and
                                           downloads
          --vault <DIR>                    Take what the lock names from DIR, which `pimg fetch --vault`
                                           made
          --offline                        Use what is in the cache and never the network
          --mirror <NAME=URL>              Take the source or download NAME from URL; its key or digest
                                           stays the pinned one
          --keyring <NAME=FILE>            Trust the keyring FILE for the source NAME, in place of its
                                           own key
          --accept-key <NAME=FINGERPRINT>  Accept the key of the source NAME, seen for the first time

    When packages are installed:
          --bake     Install packages now and not on the node, whatever the profile says of `bake`
          --no-bake  Let the node install its packages, whatever the profile says of `bake`

    Output:
      -o, --out <DIR>        Write images below DIR [default: out in the project]
          --release          Leave every secret out, for images that others can get; `pimg seed` brings
                             them to each card
      -f, --format <FORMAT>  Choose how images are written [default: zst] [possible values: zst, xz,
                             raw]
      -j, --jobs <N>         Build N hosts at the same time, with up to 300 MiB of memory each [default:
                             as many as there are cores, up to 4]

    Log-in:
          --ssh-key <FILE>  Let this public key log in; give it again for more [default: ~/.ssh/*.pub]

    Global options:
          --project <DIR>   Use the project in DIR: its profiles, overlays, lock and secrets [default:
                            .]
          --json            Print the result as one JSON object
      -q, --quiet           Print nothing but errors and the result
      -v, --verbose         Print more about the result: digests, owners, features
          --progress <HOW>  Choose how progress is shown on stderr [default: auto] [possible values:
                            auto, plain, json, none]
          --color <WHEN>    Choose when to use colours; NO_COLOR is respected [default: auto] [possible
                            values: auto, always, never]

    Example:
      pimg build --profile k8sctl-pi5l --format xz

    Environment:
      SOURCE_DATE_EPOCH  The time of everything that is written, in seconds since 1970
                         [default: when the base was last written]
    "#);
}

#[test]
fn every_command_has_help_of_its_own() {
    let project = Project::new();
    for command in [
        "build",
        "bake",
        "check",
        "plan",
        "inspect",
        "diff",
        "module",
        "bump",
        "verify",
        "secrets",
        "keys",
        "layer",
        "seed",
        "status",
        "test",
        "publish",
        "schema",
        "new",
        "import",
        "doctor",
        "clean",
        "completions",
        "man",
    ] {
        for flag in ["-h", "--help"] {
            let output = project.run(&[command, flag]);
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert_eq!(output.status.code(), Some(0), "{command} {flag}");
            assert!(text.contains(&format!("Example:\n  pimg {command}")), "{text}");
            assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        }
    }
}

#[test]
fn version_is_a_result() {
    let output = Project::new().run(&["--version"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("pimg {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn completions_and_manual_are_printed() {
    let project = Project::new();
    let script = project.run(&["completions", "bash"]);
    assert!(script.status.success() && String::from_utf8_lossy(&script.stdout).contains("complete -F _pimg"));
    let page = project.run(&["man", "build"]);
    assert!(page.status.success() && String::from_utf8_lossy(&page.stdout).contains(".TH pimg-build 1"));
    assert!(page.stderr.is_empty());
}

#[test]
fn a_reader_that_closes_early_is_no_error() {
    use std::io::Read;
    use std::process::Stdio;
    let project = Project::new();
    let mut child = project
        .pimg(&["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("pimg runs");
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().expect("is piped").read_to_string(&mut stderr).expect("text");
    assert!(child.wait().expect("ends").success(), "{stderr}");
    assert_eq!(stderr, "");
}
