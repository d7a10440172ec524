//! Servers of other people that a test process starts: as a user that may run them, and gone with the process.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

/// Ends the server and removes its folder when standard input ends, which it does when the test process does. `QUIT` ends
/// databases without waiting for their clients; other servers that a shell starts in the background ignore it, and `TERM`
/// ends them.
const WATCH: &str = r#""$@" >"$0/log" 2>&1 </dev/null &
server=$!
trap '' INT TERM
cat >/dev/null
kill -QUIT $server
kill -TERM $server
wait $server
rm -rf "$0""#;

/// Starts `server`, whose output goes to the file `log` in `folder`; both are gone when the process that starts it is.
pub(crate) fn watched(server: &Command, folder: &Path) -> Child {
    let mut watch = Command::new("sh");
    watch.arg("-c").arg(WATCH).arg(folder).arg(server.get_program()).args(server.get_args());
    // It outlives the process by as long as the server takes to end, and must not hold its output open: whoever reads that
    // to its end, as test runners do, would wait and take the test for one that leaves something running.
    watch.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir(folder).spawn().unwrap()
}

/// Ports that systems give to nobody who does not ask for them, so that no client is met on one.
const PORTS: Range<u16> = 20_000..32_000;

/// A port of this machine that nobody listens on now, and that no other test process is given while this one runs: until
/// the server listens, only a locked file says that it is taken.
pub(crate) fn free_port() -> u16 {
    static TAKEN: Mutex<Vec<File>> = Mutex::new(Vec::new());
    let folder = std::env::temp_dir().join("baton-test-ports");
    fs::create_dir_all(&folder).unwrap();
    let first = usize::try_from(std::process::id()).unwrap() * 7;
    let free = PORTS.cycle().skip(first % PORTS.len()).take(PORTS.len()).find_map(|port| {
        let file = File::create(folder.join(port.to_string())).unwrap();
        file.try_lock().ok()?;
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok().map(|_| (port, file))
    });
    let (port, file) = free.unwrap();
    TAKEN.lock().unwrap().push(file);
    port
}

/// The user to run as: such servers do not run as root. The folder becomes that user's.
pub(crate) fn run_as(user: &'static str, folder: &Path) -> Option<&'static str> {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0\n"));
    if !is_root {
        return None;
    }
    let owned = Command::new("chown").arg(user).arg(folder).status().unwrap();
    assert!(owned.success(), "there is no user `{user}` to run the server as");
    Some(user)
}

/// `program`, run as `user`.
pub(crate) fn as_user(user: Option<&str>, program: &Path) -> Command {
    match user {
        None => Command::new(program),
        Some(user) => {
            let mut command = Command::new("setpriv");
            command.arg(format!("--reuid={user}")).arg(format!("--regid={user}")).arg("--clear-groups").arg(program);
            command
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_and_its_folder_are_gone_with_the_process_that_started_it() {
        let folder = tempfile::tempdir().unwrap().keep();
        let mut server = Command::new("sleep");
        server.arg("1000");
        let mut watch = watched(&server, &folder);
        assert!(watch.try_wait().unwrap().is_none() && folder.is_dir());
        drop(watch.stdin.take());
        watch.wait().unwrap();
        assert!(!folder.exists());
    }
}
