//! Every code has an example, and every example a golden: what a user sees, kept under `goldens/`.
//! Update with `UPDATE_EXPECT=1`.

use expect_test::{expect, expect_file};

use super::*;
use crate::examples::EXAMPLES;

fn render(diagnostics: &[Diagnostic], file: &str, source: &str, color: bool) -> String {
    render_terminal(diagnostics, &|wanted| (wanted == file).then(|| source.to_owned()), color)
}

#[test]
fn every_code_has_an_example_and_a_golden() {
    for row in codes::ALL {
        let example = EXAMPLES.iter().find(|example| example.code == row.code);
        let example = example.unwrap_or_else(|| panic!("{} has no example in examples.rs", row.code));
        assert!(example.source.contains(example.at), "{}: `{}` is not in the source", row.code, example.at);
        let shown = example.render(false);
        expect_file![format!("goldens/{}.txt", row.code)].assert_eq(&format!("{}\n{shown}", codes::explain(row)));
    }
    assert_eq!(EXAMPLES.len(), codes::ALL.len());
}

#[test]
fn codes_are_unique_and_in_their_range() {
    for (position, row) in codes::ALL.iter().enumerate() {
        let code = row.code.as_str();
        assert!("PSTCRMAX".contains(&code[..1]) && code.len() == 5 && code[1..].parse::<u16>().is_ok(), "{code}");
        assert!(codes::ALL[..position].iter().all(|other| other.code != row.code), "{code} twice");
        assert!(row.title.starts_with(|first: char| first.is_lowercase()) || row.title.starts_with("Baton"), "{code}");
    }
    assert_eq!(codes::find("p0102").unwrap().code, codes::UNKNOWN_KEY);
    assert_eq!(codes::find("P9999"), None);
}

fn two_files() -> Diagnostic {
    let label = |file: &str, column, text: &str| Label {
        file: file.to_owned(),
        line: 1,
        column,
        length: 4,
        text: text.to_owned(),
    };
    Diagnostic::warning(codes::DUPLICATE_ASSET, "table `städ` is declared twice")
        .with_label(label("a.yml", 4, "here"))
        .with_label(label("b.sql", 1, "and here"))
        .with_detail("One.\nTwo.")
        .with_nearest(Some("stadt"))
}

#[test]
fn labels_in_two_files_and_letters_of_two_bytes() {
    let shown = render(&[two_files()], "a.yml", "ä: städ", false);
    expect![[r#"
        warning[P0201]: table `städ` is declared twice
           ╭─[a.yml:1:4]
         1 │ ä: städ
           ·    ──┬─
           ·      ╰── here
           ╰────
          ─[b.sql:1:1]: and here
          detail: One.
                  Two.
          help: did you mean `stadt`?

        0 errors, 1 warning
    "#]]
    .assert_eq(&shown);
}

#[test]
fn places_beyond_the_text_do_not_fail() {
    let mut diagnostic = two_files();
    diagnostic.labels[0].line = 90;
    diagnostic.labels[0].column = 90;
    assert!(render(&[diagnostic], "a.yml", "x\n", false).contains("[a.yml:"));
    assert_eq!(render_terminal(&[], &|_| None, false), "");
}

#[test]
fn color_is_only_there_when_wanted() {
    let plain = render(&[two_files()], "a.yml", "ä: städ", false);
    let colored = render(&[two_files()], "a.yml", "ä: städ", true);
    assert!(!plain.contains('\u{1b}') && colored.contains('\u{1b}'));
}

#[test]
fn json_and_problem_carry_the_same_fields() {
    expect![[r#"
        {
          "diagnostics": [
            {
              "code": "P0201",
              "title": "two assets have one name",
              "severity": "warning",
              "message": "table `städ` is declared twice",
              "labels": [
                {
                  "file": "a.yml",
                  "line": 1,
                  "column": 4,
                  "length": 4,
                  "text": "here"
                },
                {
                  "file": "b.sql",
                  "line": 1,
                  "column": 1,
                  "length": 4,
                  "text": "and here"
                }
              ],
              "detail": "One.\nTwo.",
              "help": [
                "did you mean `stadt`?"
              ]
            }
          ],
          "errors": 0,
          "warnings": 1
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&to_json(&[two_files()])).unwrap());
    let problem = to_problem(&two_files(), 409, Some("/runs/7"));
    assert_eq!(problem["type"], "/errors/P0201");
    assert_eq!(problem["status"], 409);
    assert_eq!(problem["instance"], "/runs/7");
    assert_eq!(problem["labels"][1]["file"], "b.sql");
}
