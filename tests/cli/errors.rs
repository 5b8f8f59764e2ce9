//! Errors as a person sees them: words, hints, exit code.

use super::Project;

#[test]
fn neither_profile_nor_all() {
    insta::assert_snapshot!(Project::new().snapshot(&["build"]), @r"
    exit code 2
    --- stderr
    error: the following required arguments were not provided:
      <--profile <NAME>...|--all>

    Usage: pimg build <--profile <NAME>...|--all>

    For more information, try '--help'.
    ");
}

#[test]
fn an_unknown_option_is_answered_with_the_nearest_one() {
    insta::assert_snapshot!(Project::new().snapshot(&["build", "--profil", "x"]), @r"
    exit code 2
    --- stderr
    error: unexpected argument '--profil' found

      tip: a similar argument exists: '--profile'

    Usage: pimg build <--profile <NAME>...|--all>

    For more information, try '--help'.
    ");
}

#[test]
fn an_unknown_format() {
    insta::assert_snapshot!(Project::new().snapshot(&["build", "--all", "--format", "gz"]), @r"
    exit code 2
    --- stderr
    error: invalid value 'gz' for '--format <FORMAT>'
      [possible values: zst, xz, raw]

    For more information, try '--help'.
    ");
}

#[test]
fn clean_wants_to_know_what() {
    insta::assert_snapshot!(Project::new().snapshot(&["clean"]), @r"
    exit code 2
    --- stderr
    error: the following required arguments were not provided:
      <--cache|--out>

    Usage: pimg clean <--cache|--out>

    For more information, try '--help'.
    ");
}

#[test]
fn packages_of_an_image_and_a_file_of_it_are_two_questions() {
    let arguments = ["inspect", "x.img", "/etc/hosts", "--packages"];
    insta::assert_snapshot!(Project::new().snapshot(&arguments), @r#"
    exit code 2
    --- stderr
    error: the argument '[PATH]' cannot be used with '--packages'

    Usage: pimg inspect <IMAGE> <PATH>

    For more information, try '--help'.
    "#);
}

#[test]
fn a_manual_of_no_command() {
    insta::assert_snapshot!(Project::new().snapshot(&["man", "bild"]), @r#"
    exit code 2
    --- stderr
    error: there is no command `bild`

    hint: the commands are build, bake, check, lock, fetch, module, plan, inspect, diff, bump, verify, flash, secrets, keys, layer, seed, status, test, publish, schema, new, import, doctor, clean, completions, man
    "#);
}

#[test]
fn a_project_that_is_not_there() {
    insta::assert_snapshot!(Project::new().snapshot(&["check", "--project", "nowhere"]), @r"
    exit code 2
    --- stderr
    error: there is no project directory `nowhere`
    ");
}

#[test]
fn an_error_as_json_is_on_stdout_and_as_words_on_stderr() {
    insta::assert_snapshot!(Project::new().snapshot(&["check", "--project", "nowhere", "--json"]), @r#"
    exit code 2
    --- stdout
    {
      "schema": 1,
      "command": "check",
      "error": {
        "code": 2,
        "message": "there is no project directory `nowhere`",
        "causes": [],
        "details": [],
        "places": [],
        "hints": []
      }
    }
    --- stderr
    error: there is no project directory `nowhere`
    "#);
}

#[test]
fn colour_only_where_it_is_asked_for() {
    let project = Project::new();
    let escapes = |arguments: &[&str], no_color: &str| {
        let mut command = project.pimg(arguments);
        let output = command.env("NO_COLOR", no_color).output().expect("pimg runs");
        output.stderr.contains(&0x1b)
    };
    assert!(!escapes(&["man", "bild"], ""));
    assert!(!escapes(&["man", "bild", "--color", "never"], ""));
    assert!(escapes(&["man", "bild", "--color", "always"], ""));
    assert!(!escapes(&["man", "bild"], "1"));
}

#[test]
fn a_full_disk_under_stdout_is_an_error() {
    let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else { return };
    let project = Project::new();
    let output = project.pimg(&["completions", "bash"]).stdout(full).output().expect("pimg runs");
    insta::assert_snapshot!(project.describe(&output), @r"
    exit code 9
    --- stderr
    error: cannot write to stdout
      caused by: No space left on device (os error 28)
    ");
}
