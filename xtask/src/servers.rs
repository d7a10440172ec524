//! The servers of other people that the tests of connectors start.

use std::path::Path;
use std::process::Command;

use crate::failure::{Failure, Outcome};
use crate::process;

/// A server: what it is called, the variable that says where it is, Debian's package, and whether it is there.
struct Server {
    name: &'static str,
    variable: &'static str,
    package: &'static str,
    is_there: fn() -> bool,
}

const SERVERS: &[Server] = &[
    Server {
        name: "PostgreSQL",
        variable: "BATON_TEST_POSTGRES",
        package: "postgresql",
        is_there: || POSTGRES_FOLDERS.iter().any(|folder| has_postgres(Path::new(folder))),
    },
    Server {
        name: "MariaDB",
        variable: "BATON_TEST_MARIADB",
        package: "mariadb-server",
        is_there: || {
            ["/usr/sbin/mariadbd", "/usr/local/sbin/mariadbd", "/opt/homebrew/bin/mariadbd"].iter().any(is_file)
        },
    },
    Server {
        name: "NATS",
        variable: "BATON_TEST_NATS",
        package: "nats-server",
        is_there: || {
            ["/usr/sbin/nats-server", "/usr/local/bin/nats-server", "/opt/homebrew/bin/nats-server"].iter().any(is_file)
        },
    },
    Server {
        name: "mosquitto",
        variable: "BATON_TEST_MOSQUITTO",
        package: "mosquitto",
        is_there: || {
            ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/opt/homebrew/sbin/mosquitto"].iter().any(is_file)
        },
    },
    Server {
        name: "mosquitto_pub",
        variable: "BATON_TEST_MOSQUITTO",
        package: "mosquitto-clients",
        is_there: || {
            ["/usr/bin/mosquitto_pub", "/usr/local/bin/mosquitto_pub", "/opt/homebrew/bin/mosquitto_pub"]
                .iter()
                .any(is_file)
        },
    },
];

/// Where packages put PostgreSQL, a folder a version.
const POSTGRES_FOLDERS: &[&str] = &["/usr/lib/postgresql", "/usr/pgsql-17", "/opt/homebrew/opt"];

/// Installs the packages of those that are missing, where the package manager is Debian's.
pub(crate) fn set_up() -> Outcome {
    SERVERS
        .iter()
        .filter(|server| std::env::var_os(server.variable).is_none() && !(server.is_there)())
        .try_for_each(install)
}

fn install(server: &Server) -> Outcome {
    let Server { name, variable, package, .. } = server;
    eprintln!("installing {name}");
    let mut install = Command::new("apt-get");
    install.args(["install", "--yes", "--no-install-recommends", package]).env("DEBIAN_FRONTEND", "noninteractive");
    process::capture(&mut install).map(drop).map_err(|failure| {
        let Failure::Message(reason) = failure else { return failure };
        Failure::Message(format!(
            "{name} is missing and could not be installed: {reason}\ninstall it, or set {variable} to the folder of its programs"
        ))
    })
}

fn has_postgres(folder: &Path) -> bool {
    let versions = std::fs::read_dir(folder).into_iter().flatten().flatten();
    versions.map(|version| version.path().join("bin/initdb")).any(|program| program.is_file())
}

fn is_file(path: &&str) -> bool {
    Path::new(path).is_file()
}
