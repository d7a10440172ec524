//! Integration tests of a crate are one program, `tests/it/main.rs`; a file that it does not list never runs.

use super::Problem;
use crate::failure::Outcome;
use crate::repository::Repository;

const FOLDER: &str = "/tests/it/";

/// Which files of `tests/it` are not listed.
pub(super) fn problems(repository: &Repository, files: &[String]) -> Outcome<Vec<Problem>> {
    let mut problems = Vec::new();
    for path in files.iter().filter(|path| path.ends_with(".rs")) {
        let Some((owner, rest)) = path.split_once(FOLDER) else { continue };
        let main = format!("{owner}{FOLDER}main.rs");
        let list = if files.contains(&main) { repository.text(&main)? } else { None };
        problems.extend(unlisted(path, rest, &main, list.as_deref()));
    }
    Ok(problems)
}

fn unlisted(path: &str, rest: &str, main: &str, list: Option<&str>) -> Option<Problem> {
    let module = rest.split('/').next().unwrap_or(rest).trim_end_matches(".rs");
    let Some(list) = list else { return Some(Problem::new(path, format!("there is no `{main}` that lists it"))) };
    let listed = module == "main" || list.lines().any(|line| declares(line, module));
    (!listed).then(|| Problem::new(path, format!("never runs: add `mod {module};` to `{main}`")))
}

fn declares(line: &str, module: &str) -> bool {
    let line = line.trim_start_matches("pub(crate) ");
    line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')) == Some(module)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_files_and_parts_of_listed_folders_are_fine() {
        let list = Some("mod kill;\nmod relay;\n");
        assert_eq!(unlisted("it/kill.rs", "kill.rs", "it/main.rs", list), None);
        assert_eq!(unlisted("it/relay/apply.rs", "relay/apply.rs", "it/main.rs", list), None);
        assert_eq!(unlisted("it/main.rs", "main.rs", "it/main.rs", list), None);
    }

    #[test]
    fn a_forgotten_file_is_told() {
        let told = unlisted("it/kill.rs", "kill.rs", "it/main.rs", Some("mod kills;\n")).unwrap();
        assert_eq!(told.to_string(), "it/kill.rs: never runs: add `mod kill;` to `it/main.rs`");
        assert!(unlisted("it/kill.rs", "kill.rs", "it/main.rs", None).is_some());
    }
}
