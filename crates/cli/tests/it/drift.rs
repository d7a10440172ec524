//! What changed under us is listed, and other engines read what is left after a collection.

use std::fs;
use std::path::PathBuf;

use baton_testkit::project::TestProject;
use baton_testkit::python::printed;
use expect_test::expect;
use serde_json::Value;

use crate::answers::{json, ok};
use crate::kills::ALL;
use crate::serve::{as_of, canteen};
use crate::shop::{at, check};
use crate::storage::{lived, served, with};

/// The data files of a table's newest folder.
fn files_of(project: &TestProject, table: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in fs::read_dir(project.path(&format!(".baton/warehouse/tables/{table}"))).unwrap() {
        for file in fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            found.extend(path.extension().is_some_and(|end| end == "parquet").then_some(path));
        }
    }
    found.sort();
    found
}

/// What a look finds, a line each, and how much it looked at. What files are called and how long they are is hidden: it
/// changes with how they are written.
fn found(project: &TestProject, more: &[&str]) -> String {
    let answer = ok(project, &[&["plan", "--refresh-only"], more].concat());
    let told = answer.lines().filter(|line| line.starts_with("  ") && !line.starts_with("      "));
    let lines = told.map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let shown = words.iter().enumerate().map(|(place, word)| match (word, words.get(place + 1)) {
            (word, _) if word.ends_with(".parquet") => "[file]",
            (_, Some(&"bytes," | &"KiB")) => "[size]",
            _ if place > 0 && words[place - 1] == "recorded" => "[size]",
            (word, _) => word,
        });
        shown.collect::<Vec<_>>().join(" ") + "\n"
    });
    lines.collect()
}

#[test]
fn what_changed_under_us_is_listed_and_nothing_else() {
    let project = served();
    ok(&project, &at(&["apply", "--yes"]));
    check(
        &project.run(&["plan", "--refresh-only", "--detailed-exitcode"]),
        &expect![[r#"
        exit: 0
        --- stdout
        Environment `prod` at [hash], beside what is stored

          Nothing changed under us.

          0 changed, 4 data files looked at
    "#]],
    );
    let days = files_of(&project, "days").remove(0);
    let whole = fs::read(&days).unwrap();
    fs::remove_file(&days).unwrap();
    assert_eq!(project.output(&["plan", "--refresh-only", "--detailed-exitcode"]).code, Some(3));
    let hint = ok(&project, &["plan", "--refresh-only"]);
    assert!(hint.contains("      restore the warehouse from a copy, or build the table again"), "{hint}");
    check(
        &found(&project, &[]),
        &expect![[r#"
        ! file gone days [file] of version 0 is gone
        1 changed, 4 data files looked at
    "#]],
    );
    fs::write(&days, &whole[..whole.len() - 1]).unwrap();
    check(
        &found(&project, &[]),
        &expect![[r#"
        ! file altered days [file] of version 0 has [size] bytes, recorded [size]
        1 changed, 4 data files looked at
    "#]],
    );
    // The same size, one byte changed, and the time of the change set back: only reading everything finds it.
    let mut altered = whole.clone();
    altered[40] ^= 1;
    fs::write(&days, &altered).unwrap();
    let now = fs::metadata(&days).unwrap().modified().unwrap();
    let long_ago = now - std::time::Duration::from_secs(3600);
    fs::File::options().write(true).open(&days).unwrap().set_modified(long_ago).unwrap();
    check(
        &found(&project, &[]),
        &expect![[r#"
        Nothing changed under us.
        0 changed, 4 data files looked at
    "#]],
    );
    let other_bytes = expect![[r#"
        ! file altered days [file] of version 0 has other bytes than recorded
        1 changed, 4 data files looked at, [size] KiB read
    "#]];
    check(&found(&project, &["--deep"]), &other_bytes);
    let soon = now + std::time::Duration::from_secs(60);
    fs::File::options().write(true).open(&days).unwrap().set_modified(soon).unwrap();
    check(&found(&project, &[]), &other_bytes);
    fs::write(&days, &whole).unwrap();
    fs::remove_file(project.path(".baton/online.redb")).unwrap();
    let head = json(&project, &["log", "-o", "json"])[0]["id"].as_str().unwrap().to_owned();
    check(
        &found(&project, &[]),
        &expect![[r#"
        ! online values customer_latest of 2 entities, 2 have no online values and 0 have older ones than the table
        1 changed, 4 data files looked at, [size] KiB read
    "#]],
    );
    let hint = ok(&project, &["plan", "--refresh-only"]);
    assert!(hint.contains(&format!("`baton rollback {}` fills them anew, in a fresh place", &head[..10])), "{hint}");
    ok(&project, &["rollback", &head, "--yes"]);
    let repaired = ok(&project, &["plan", "--refresh-only"]);
    assert!(repaired.contains("Nothing changed under us"), "{repaired}");
}

#[test]
fn pointer_moved_by_hand_and_rows_of_another_engine_are_listed() {
    let project = lived();
    ok(&project, &["run", "--as-of", "2024-01-08"]);
    let days = files_of(&project, "customers").remove(0);
    printed(
        "import sys, pyarrow as pa\nfrom deltalake import DeltaTable, write_deltalake\n\
         table = DeltaTable(sys.argv[1])\nwrite_deltalake(table, table.to_pyarrow_table().slice(0, 1), mode='append')\n",
        &[days.parent().unwrap().to_str().unwrap()],
    );
    printed(
        "import sqlite3, sys\nledger = sqlite3.connect(sys.argv[1])\n\
         ledger.execute(\"update environment set commit_id = (select parent from commit_record where id = commit_id) where name = 'prod'\")\nledger.commit()\n",
        &[project.path(".baton/ledger.db").to_str().unwrap()],
    );
    check(
        &project.run(&["plan", "--refresh-only"]),
        &expect![[r#"
            exit: 0
            --- stdout
            Environment `prod` at [hash], beside what is stored

              ! pointer        -                      the ledger points `prod` at [hash], and its sealed log says [hash]
                  somebody moved the pointer by hand; `baton env create was --from [hash]` and `baton promote was prod` bring it back
              ! other engine   customers              version 2 was written by delta-rs:py-1.6.6 (WRITE); the environment goes on reading version 0
                  land those rows through a source; the next build leaves them out and goes on from the version that the environment reads

              2 changed, 4 data files looked at
        "#]],
    );
    let collected = project.run(&with(&["gc", "--dry-run"], &ALL));
    assert!(collected.contains("left alone tables/customers/"), "{collected}");
    // The next build leaves the other engine's rows out.
    let order = "order_id,customer,amount,ordered_at\n7,ada,1.0,2024-01-08T09:00:00Z\n";
    let project = project.delivery("landing/orders-4.csv", order, 1_704_758_400);
    ok(&project, &["run", "--as-of", "2024-01-10"]);
    let rows = ok(&project, &["query", "-o", "json", "select customer from customers order by 1"]);
    assert_eq!(rows.matches("customer").count(), 3, "{rows}");
}

/// After a collection every reached version, and the newest, is read by the Python package.
#[test]
fn other_readers_read_what_is_left_after_a_collection() {
    let project = lived();
    ok(&project, &["env", "create", "ahead", "--from", "prod"]);
    ok(&project, &["run", "-e", "ahead", "--as-of", "2024-01-08"]);
    let count =
        "import sys\nfrom deltalake import DeltaTable\nprint(DeltaTable(sys.argv[1]).to_pyarrow_table().num_rows)\n";
    let folder = |name: &str| {
        let shown: Value =
            serde_json::from_str(&ok(&project, &["query", "-o", "json", &format!("select count(*) as n from {name}")]))
                .unwrap();
        let path = files_of(&project, name).remove(0);
        (path.parent().unwrap().to_owned(), shown)
    };
    let (orders, shown) = folder("orders");
    assert_eq!(printed(count, &[orders.to_str().unwrap()]).trim(), "5", "the newest is that of ahead");
    ok(&project, &["env", "rm", "ahead"]);
    ok(&project, &with(&["gc"], &ALL));
    assert_eq!(printed(count, &[orders.to_str().unwrap()]).trim(), "3", "the newest is one that is reached");
    assert!(shown.to_string().contains('3'), "{shown}");
}

#[test]
fn training_sets_and_models_that_changed_under_us_are_listed() {
    let project = canteen();
    ok(&project, &["apply", "-e", "prod", "--yes", "--as-of", &as_of(40)]);
    let look = ["plan", "-e", "prod", "--refresh-only"];
    let fine = ok(&project, &look);
    assert!(fine.contains("Nothing changed under us"), "{fine}");
    let rows = files_of(&project, "late_payer__training").remove(0);
    let whole = fs::read(&rows).unwrap();
    // What a file is called and how long it is may change with how it is written.
    let shown = || {
        let name = rows.file_name().unwrap().to_str().unwrap();
        let (size, cut) = (whole.len().to_string(), (whole.len() - 1).to_string());
        project.run(&look).replace(name, "[file]").replace(&size, "[size]").replace(&cut, "[cut]")
    };
    fs::write(&rows, &whole[..whole.len() - 1]).unwrap();
    let models = project.path(".baton/warehouse/artifacts");
    let model = fs::read_dir(models).unwrap().next().unwrap().unwrap().path();
    let part = fs::read_dir(&model).unwrap().next().unwrap().unwrap().path();
    let stored = fs::read(&part).unwrap();
    fs::write(&part, &stored[..stored.len() - 1]).unwrap();
    check(
        &shown(),
        &expect![[r#"
        exit: 0
        --- stdout
        Environment `prod` at [hash], beside what is stored

          ! file altered   late_payer             [file] of the training set of late_payer@1 has [cut] bytes, recorded [size]
              restore the warehouse from a copy, or train again and promote that version
          ! model          late_payer             late_payer@1: file `[folder]/.baton/warehouse/artifacts/[hash]` is corrupted: its files do not match the digest in its name; restore it from a copy of the warehouse, or rebuild its table
              restore the warehouse from a copy, or train again and promote that version

          2 changed, 4 data files looked at
    "#]],
    );
    fs::write(&part, &stored).unwrap();
    fs::remove_file(&rows).unwrap();
    check(
        &shown(),
        &expect![[r#"
        exit: 0
        --- stdout
        Environment `prod` at [hash], beside what is stored

          ! file gone      late_payer             [file] of the training set of late_payer@1 is gone
              restore the warehouse from a copy, or train again and promote that version

          1 changed, 4 data files looked at
    "#]],
    );
    fs::write(&rows, &whole).unwrap();
    let fine = ok(&project, &look);
    assert!(fine.contains("Nothing changed under us"), "{fine}");
}
