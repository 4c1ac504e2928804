//! PostgreSQL clusters to be thrown away, from the programs that Debian's package `postgresql` brings.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use crate::bridge::PATIENCE;

/// Runs a server until nobody holds the other end of its input, whatever became of whoever started
/// it, and clears up after it. As root it becomes somebody else, since PostgreSQL insists. A third
/// argument is the folder of the server whose standby this one is.
const KEEP: &str = r#"
folder=$1 programs=$2 primary=$3
as=
if [ "$(id -u)" = 0 ]; then
    chown postgres "$folder"
    as='setpriv --reuid=postgres --regid=postgres --clear-groups --'
fi
cd "$folder"
if [ -n "$primary" ]; then
    $as "$programs/pg_basebackup" --host="$primary" --username=postgres --pgdata=data --write-recovery-conf \
        --checkpoint=fast --no-sync >initdb.log 2>&1 || exit 1
elif [ ! -e data ]; then
    $as "$programs/initdb" --pgdata=data --username=postgres --auth=trust --no-sync --encoding=UTF8 --locale=C \
        >initdb.log 2>&1 || exit 1
    echo "listen_addresses = ''" >>data/postgresql.conf
fi
$as "$programs/postgres" -D data -c unix_socket_directories="$folder" -c fsync=off -c max_connections=400 \
    -c shared_buffers=64MB -c log_min_messages=warning >>server.log 2>&1 </dev/null &
server=$!
read -r how
kill -"${how:-INT}" $server
wait $server 2>/dev/null
[ -n "$how" ] || rm -rf "$folder"
"#;

/// A server in a folder of its own, reached by a socket there.
pub(crate) struct Cluster {
    folder: PathBuf,
    keeper: Child,
}

/// A database of a cluster.
#[derive(Clone)]
pub(crate) struct Database {
    folder: PathBuf,
    name: String,
}

/// The server that tests share which do nothing to it.
pub(crate) fn shared() -> &'static Cluster {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    SHARED.get_or_init(Cluster::start)
}

impl Cluster {
    /// Makes and starts one.
    pub(crate) fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("imper-pg").tempdir().unwrap().keep();
        Self::run(folder, None)
    }

    /// Makes and starts a server that follows this one, and lets each commit here wait until it is
    /// there as well.
    pub(crate) fn standby(&self) -> Self {
        let folder = tempfile::Builder::new().prefix("imper-pg").tempdir().unwrap().keep();
        let standby = Self::run(folder, Some(&self.folder));
        self.set("synchronous_standby_names = '*'");
        let begun = Instant::now();
        while self.own().run("SELECT sync_state FROM pg_stat_replication") != "sync" {
            assert!(begun.elapsed() < PATIENCE, "the standby does not follow: {}", standby.log());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        standby
    }

    fn run(folder: PathBuf, primary: Option<&Path>) -> Self {
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEP, "sh"]).arg(&folder).arg(programs()).arg(primary.unwrap_or(Path::new("")));
        let keeper = keeper.stdin(Stdio::piped()).spawn().unwrap();
        let cluster = Self { folder, keeper };
        let (begun, database) = (Instant::now(), cluster.own());
        while database.psql("SELECT 1").is_none() {
            assert!(begun.elapsed() < PATIENCE, "the server does not start: {}", cluster.log());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        cluster
    }

    /// The database that every server has.
    pub(crate) fn own(&self) -> Database {
        Database { folder: self.folder.clone(), name: "postgres".into() }
    }

    /// Changes a setting, from now on.
    pub(crate) fn set(&self, setting: &str) {
        self.own().run(&format!("ALTER SYSTEM SET {setting}"));
        self.own().run("SELECT pg_reload_conf()");
    }

    /// Lets each commit wait for a standby that never comes, from now on: a change of the setting reaches
    /// those who commit some time after it was made.
    pub(crate) fn hold_commits(&self) {
        self.set("synchronous_standby_names = 'nobody'");
        let begun = Instant::now();
        let waiting = "FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND datname = 'postgres'";
        loop {
            assert!(begun.elapsed() < PATIENCE, "no commit waits");
            let mut probe = self.own().client();
            let mut probe = probe.args(["-c", "CREATE TABLE probe ()", "-c", "DROP TABLE probe"]).spawn().unwrap();
            let held = loop {
                if self.own().run(&format!("SELECT count(*) {waiting}")) != "0" {
                    break true;
                }
                if probe.try_wait().unwrap().is_some() {
                    break false;
                }
            };
            if held {
                self.own().run(&format!("SELECT count(pg_terminate_backend(pid)) {waiting}"));
            }
            probe.wait().unwrap();
            if held {
                return;
            }
        }
    }

    /// Where its data is.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Stops all of its processes where they are.
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets them go on.
    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = std::fs::read_to_string(self.data().join("postmaster.pid")).unwrap();
        let pid = pid.lines().next().unwrap();
        let sent = Command::new("sh").args(["-c", "kill -$1 $2; pkill -$1 -P $2", "sh", signal, pid]).status();
        assert!(sent.unwrap().success());
    }

    fn log(&self) -> String {
        let read = |name| std::fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        read("initdb.log") + &read("server.log")
    }

    /// Stops the server by this signal and gives what starts it again.
    pub(crate) fn stop(mut self, signal: &str) -> Stopped {
        use std::io::Write;
        writeln!(self.keeper.stdin.take().unwrap(), "{signal}").unwrap();
        self.keeper.wait().unwrap();
        Stopped(Some(self.folder))
    }

    /// A new database, empty or like `template`.
    pub(crate) fn database(&self, template: Option<&Database>) -> Database {
        self.database_with(&template.map(|template| format!("TEMPLATE {}", template.name)).unwrap_or_default())
    }

    /// A new database, made with these options.
    pub(crate) fn database_with(&self, options: &str) -> Database {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("d{}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.own().run(&format!("CREATE DATABASE {name} {options}"));
        Database { folder: self.folder.clone(), name }
    }
}

/// A pgbouncer in front of a cluster, which gives each transaction whichever of three sessions is free.
pub(crate) struct Pooler {
    folder: tempfile::TempDir,
    child: Child,
}

impl Pooler {
    pub(crate) fn start(cluster: &Cluster) -> Self {
        let folder = tempfile::Builder::new().prefix("imper-pool").tempdir().unwrap();
        let settings = format!(
            "[databases]\n* = host={} user=postgres\n[pgbouncer]\nlisten_port = 6432\nunix_socket_dir = {}\n\
             auth_type = any\npool_mode = transaction\ndefault_pool_size = 3\n",
            cluster.folder.display(),
            folder.path().display(),
        );
        std::fs::write(folder.path().join("pool.ini"), settings).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        // As root it becomes somebody else, since pgbouncer insists.
        let script = r#"
            if [ "$(id -u)" = 0 ]; then
                chown -R postgres .
                exec setpriv --reuid=postgres --regid=postgres --clear-groups -- /usr/sbin/pgbouncer pool.ini
            fi
            exec pgbouncer pool.ini"#;
        let mut child = Command::new("sh");
        child.args(["-c", script]).current_dir(folder.path()).stdout(log.try_clone().unwrap()).stderr(log);
        let pooler = Self { child: child.spawn().unwrap(), folder };
        let begun = Instant::now();
        while !pooler.folder.path().join(".s.PGSQL.6432").exists() {
            let log = || std::fs::read_to_string(pooler.folder.path().join("log")).unwrap_or_default();
            assert!(begun.elapsed() < PATIENCE, "the pooler does not start: {}", log());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        pooler
    }

    /// The URL of a database through the pooler.
    pub(crate) fn url(&self, database: &Database) -> String {
        database.url_at(&format!("{}:6432", host(self.folder.path())))
    }
}

/// Locks that are held.
pub(crate) struct Held {
    child: Child,
    database: Database,
}

impl Drop for Held {
    fn drop(&mut self) {
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                   WHERE query LIKE 'SELECT pg_sleep%' AND datname = current_database()";
        self.database.run(end);
        let _ = self.child.wait();
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that is down; its data is there.
pub(crate) struct Stopped(Option<PathBuf>);

impl Stopped {
    pub(crate) fn start(mut self) -> Cluster {
        Cluster::run(self.0.take().unwrap(), None)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        if let Some(folder) = &self.0 {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

impl Database {
    /// The URL that bridges take.
    pub(crate) fn url(&self) -> String {
        self.url_at(&host(&self.folder))
    }

    /// The URL of the same database on one of two servers, whichever takes writes.
    pub(crate) fn url_with(&self, standby: &Cluster) -> String {
        self.url_at(&format!("{},{}", host(&self.folder), host(&standby.folder))) + "?target_session_attrs=read-write"
    }

    /// The URL of the same database behind another server, at this address.
    pub(crate) fn url_behind(&self, first: &str) -> String {
        self.url_at(&format!("{first},{}:5432", host(&self.folder)))
    }

    /// Puts another database of the server in the place of this one, and this one in its place.
    pub(crate) fn exchange(&self, other: &Self) {
        let (mine, its, server) = (&self.name, &other.name, Self { name: "postgres".into(), ..self.clone() });
        for name in [mine, its] {
            server.run(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"));
            let gone = "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE datname";
            server.run(&format!("{gone} = '{name}'"));
        }
        for (from, to) in [(&**mine, "between"), (its, mine), ("between", its)] {
            server.run(&format!("ALTER DATABASE {from} RENAME TO {to}"));
        }
        for name in [mine, its] {
            server.run(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"));
        }
    }

    /// The URL of the same database at an address of the server.
    pub(crate) fn url_at(&self, host: &str) -> String {
        format!("postgres://postgres@{host}/{}", self.name)
    }

    /// The same database on another server.
    pub(crate) fn on(&self, cluster: &Cluster) -> Self {
        Self { folder: cluster.folder.clone(), name: self.name.clone() }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Somebody who is connected to it, whose words nobody wants to hear.
    fn client(&self) -> Command {
        let mut psql = Command::new("psql");
        psql.arg("-h").arg(&self.folder).args(["-U", "postgres", "-d", &self.name, "-Xq"]);
        psql.stdout(Stdio::null()).stderr(Stdio::null());
        psql
    }

    /// Keeps the locks that a query takes until what comes back is dropped.
    pub(crate) fn hold(&self, sql: &str) -> Held {
        let script = format!("BEGIN; {sql}; SELECT 'held'; SELECT pg_sleep(600)");
        let mut psql = self.client();
        psql.args(script.split("; ").flat_map(|statement| ["-c", statement]));
        let held = Held { child: psql.spawn().unwrap(), database: self.clone() };
        let begun = Instant::now();
        while self.run(
            "SELECT count(*) FROM pg_stat_activity
                        WHERE query LIKE 'SELECT pg_sleep%' AND datname = current_database()",
        ) == "0"
        {
            assert!(begun.elapsed() < PATIENCE, "nothing is held");
        }
        held
    }

    /// Runs SQL and gives what it shows, a line per row.
    pub(crate) fn run(&self, sql: &str) -> String {
        self.psql(sql).unwrap_or_else(|| panic!("{sql} fails"))
    }

    fn psql(&self, sql: &str) -> Option<String> {
        let mut psql = Command::new("psql");
        psql.arg("-h").arg(&self.folder).args([
            "-U",
            "postgres",
            "-d",
            &self.name,
            "-v",
            "ON_ERROR_STOP=1",
            "-AtXqc",
            sql,
        ]);
        let output = psql.output().expect("psql, of Debian's package postgresql, is there");
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim_end().to_owned())
    }
}

/// How a URL names the folder of a socket.
fn host(folder: &Path) -> String {
    folder.display().to_string().replace('/', "%2F")
}

/// Where the server's programs are: Debian keeps them out of the path.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let programs = versions.map(|version| version.path().join("bin")).filter(|bin| bin.join("initdb").exists()).max();
    programs.unwrap_or_else(|| Path::new("/usr/bin").to_owned())
}
