//! The Python that tests hold Baton against: where it is, and scripts run in it, text in and text out.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should say where")]

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Ends every script. Readers of Delta Lake leave threads behind that now and then abort the interpreter while it shuts
/// down, after the right answer was printed; so a script that got to its end ends at once, without shutting down.
const AT_THE_END: &str = "\nimport os, sys\nsys.stdout.flush()\nos._exit(0)\n";

/// The interpreter that `BATON_TEST_PYTHON` names; `cargo xtask test` sets it up with `xtask/requirements.txt`.
///
/// # Panics
/// None is named.
pub fn interpreter() -> PathBuf {
    let Some(named) = std::env::var_os("BATON_TEST_PYTHON") else {
        panic!(
            "set BATON_TEST_PYTHON to a Python with the packages of `xtask/requirements.txt` (`cargo xtask test` does)"
        );
    };
    PathBuf::from(named)
}

/// What a script prints that is given `arguments`.
///
/// # Panics
/// It fails; the message is what it says.
pub fn printed<A: AsRef<OsStr>>(script: &str, arguments: &[A]) -> String {
    answered(script, arguments, "")
}

/// What a script prints that is given `arguments`, and `input` to read to its end before it prints.
///
/// # Panics
/// It fails; the message is what it says.
pub fn answered<A: AsRef<OsStr>>(script: &str, arguments: &[A], input: &str) -> String {
    let mut command = Command::new(interpreter());
    command.arg("-c").arg(format!("{script}{AT_THE_END}")).args(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A script that fails before it has read all breaks the pipe; what it says is told below.
    let given = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    given.unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_get_arguments_and_input() {
        let script = "import sys\nprint(sys.argv[1:], sys.stdin.read(), end='')";
        assert_eq!(answered(script, &["a", "b c"], "given"), "['a', 'b c'] given");
        assert_eq!(printed(script, &["a"]), "['a'] ");
    }

    #[test]
    #[should_panic(expected = "ValueError: told")]
    fn a_script_that_fails_fails_the_test() {
        printed::<&str>("raise ValueError('told')", &[]);
    }
}
