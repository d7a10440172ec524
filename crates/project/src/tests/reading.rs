//! Reading a folder from disk.

use std::fs;

use crate::load;

#[test]
fn a_folder_is_read_without_its_hidden_parts() {
    let folder = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &[u8]| {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("baton.yml", b"project: flights\n");
    write("tables/a/one.sql", b"select 1 as one\n");
    write("other/two.sql", b"select 2 as two\n");
    write(".baton/left.yml", b"nonsense: 1\n");
    write("more/broken.yml", b"\xff\xfe");
    write("monitors.yml", b"monitors: [{name: m, endpoint: e, drift: {share: 1}, runbook: runbooks/m.md}]\n");
    write("endpoints.yml", b"endpoints: [{name: e, model: x}]\n");
    let loaded = load(folder.path());
    let names: Vec<&str> = loaded.project.assets.keys().map(|name| name.as_str()).collect();
    assert_eq!(names, ["e", "m", "one"]);
    let files: Vec<&String> = loaded.project.texts.keys().collect();
    assert_eq!(files, ["baton.yml", "endpoints.yml", "monitors.yml", "tables/a/one.sql"]);
    let messages: Vec<&str> = loaded.diagnostics.iter().map(|diagnostic| diagnostic.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "`more/broken.yml` cannot be read: stream did not contain valid UTF-8",
            "endpoint `e` serves `x`, which does not exist",
            "runbook `runbooks/m.md` of monitor `m` is not there",
        ]
    );
}

#[test]
fn a_folder_that_is_not_there_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let loaded = load(&folder.path().join("nowhere"));
    let codes: Vec<&str> = loaded.diagnostics.iter().map(|diagnostic| diagnostic.code.as_str()).collect();
    assert_eq!(codes, ["P0001", "P0003"]);
}

#[test]
fn the_flights_example_has_no_mistakes() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/flights");
    let loaded = load(&folder);
    assert_eq!(loaded.project.render(&loaded.diagnostics, false), "");
    assert_eq!(loaded.project.name, "flights");
    assert!(loaded.project.assets.contains_key("arrival_delay") || loaded.project.assets.len() > 10);
}
