//! The real binary against a world that the test hosts on loopback.
//!
//! The world lives in this process, so it can be told to go wrong at a request, asked afterwards what it has
//! come to, and compared. The binary is started in an environment of its own: nothing of the machine's AWS
//! settings reaches it. Nothing here waits for time to pass; it waits for things to happen, and not for ever.

use std::future::Future;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use portcullis::clock::Clock;
use portcullis::ids::AccessKeyId;
use portcullis::sim::{Cloud, World};
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::stage::{self, PLAYBOOK, WORLD};

/// Nothing that is waited for here takes a tenth of this.
const TOO_LONG: Duration = Duration::from_mins(2);

/// The world of the shipped playbook, quick to enforce: real time passes in these tests.
pub(crate) fn quick_world() -> String {
    let quick = WORLD.replace("lag: 4s", "lag: 200ms");
    assert_ne!(quick, WORLD, "the world has a lag");
    quick
}

/// A world on loopback, and a scratch directory to work in.
pub(crate) struct Hosted {
    pub(crate) cloud: Cloud,
    pub(crate) url: String,
    pub(crate) inputs: Vec<(String, String)>,
    dir: TempDir,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<()>>,
}

impl Hosted {
    /// Sets a world in motion and serves it.
    pub(crate) fn new(world: &str) -> Self {
        let world = World::parse(world).unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let served = world.clone();
        let serving = std::thread::spawn(move || {
            in_real_time(async {
                let cloud = Cloud::new(&served, Clock::system());
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send((cloud.clone(), listener.local_addr().unwrap())).unwrap();
                let until = async { drop(stopped.await) };
                cloud.serve(listener, until).await.unwrap();
            });
        });
        let (cloud, address) = told.recv().unwrap();
        let inputs = world.rehearsal_inputs().iter();
        let typed = |value: &serde_json::Value| match value {
            serde_json::Value::Array(all) => {
                all.iter().map(|one| one.as_str().unwrap()).collect::<Vec<_>>().join(",")
            }
            one => one.as_str().unwrap().to_owned(),
        };
        let inputs = inputs.map(|(n, v)| (n.clone(), typed(v))).collect();
        Self {
            cloud,
            url: format!("http://{address}"),
            inputs,
            dir: TempDir::new().unwrap(),
            stop: Some(stop),
            serving: Some(serving),
        }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The binary, in the scratch directory, with the responder's credentials and a region.
    pub(crate) fn portcullis(&self, args: &[&str]) -> Command {
        let mut command = bare(self.dir(), args);
        let responder = self.cloud.responder_credentials();
        command
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", responder.access_key_id.as_str())
            .env("AWS_SECRET_ACCESS_KEY", responder.secret.expose());
        if let Some(token) = responder.session_token {
            command.env("AWS_SESSION_TOKEN", token.expose());
        }
        command
    }

    /// The same, sent to this world.
    pub(crate) fn here(&self, args: &[&str]) -> Command {
        let mut command = self.portcullis(args);
        command.args(["--endpoint-url", &self.url]);
        command
    }

    /// The inputs that the world file proposes, as they are typed.
    pub(crate) fn typed_inputs(&self) -> Vec<String> {
        self.inputs.iter().map(|(name, value)| format!("-i{name}={value}")).collect()
    }

    /// `plan`, with the world's inputs, saved to `plan.json`.
    pub(crate) fn plan(&self, further: &[&str]) -> Command {
        let playbook = playbook_in(self.dir());
        let mut command = self.here(&["plan", &playbook, "-o", "plan.json", "--replace"]);
        command.args(self.typed_inputs()).args(further);
        command
    }

    /// Makes `plan.json` without starting a process: what is tested begins after it. The margin is short
    /// because real time passes: at one second the cuts are still looked at twice, with the world's lag
    /// between.
    pub(crate) fn save_plan(&self, margin_seconds: u64) {
        let saved = in_real_time(async {
            let terms = portcullis::planning::Terms {
                margin_seconds: Some(margin_seconds),
                endpoint: Some(self.url.clone()),
                ..stage::terms()
            };
            let inputs = self.inputs.iter();
            let inputs = inputs.map(|(n, v)| (n.clone(), v.as_str().into())).collect();
            stage::plan(&self.cloud, Clock::system(), PLAYBOOK, &inputs, &terms).await
        });
        let saved = saved.unwrap_or_else(|p| {
            panic!("{}", portcullis::cli::diagnostics::text(&p.into(), false));
        });
        std::fs::write(self.dir().join("plan.json"), saved.to_text()).unwrap();
    }

    /// Somebody else does something in the account, as an administrator whose key the world must have.
    pub(crate) fn meanwhile(&self, what: impl AsyncFnOnce(aws_sdk_iam::Client)) {
        in_real_time(async {
            let config = stage::somebody_else(&self.cloud, Clock::system());
            what(aws_sdk_iam::Client::new(&config)).await;
        });
    }

    /// The one case that was made.
    pub(crate) fn case(&self) -> PathBuf {
        let cases = cases_in(self.dir());
        assert_eq!(cases.len(), 1, "{cases:?}");
        cases.into_iter().next().unwrap()
    }

    /// The one case that is not a rehearsal.
    pub(crate) fn live_case(&self) -> PathBuf {
        let rehearsed = |case: &Path| case.join("world.json").exists();
        let mut cases = cases_in(self.dir()).into_iter().filter(|case| !rehearsed(case));
        let case = cases.next().expect("a case was made");
        assert_eq!(cases.next(), None);
        case
    }

    /// Waits until all that a process sent before it was killed has come in.
    pub(crate) fn until_left_alone(&self) {
        // Connections are accepted in the order in which they are made: when ours was, so were all before it.
        let address = self.url.strip_prefix("http://").unwrap();
        let mut last = std::net::TcpStream::connect(address).unwrap();
        last.set_read_timeout(Some(TOO_LONG)).unwrap();
        last.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(last.read_to_end(&mut Vec::new()).unwrap(), 0);
        in_real_time(async {
            tokio::select! {
                biased;
                () = self.cloud.left_alone() => {}
                () = tokio::time::sleep(TOO_LONG) => panic!("somebody is connected still"),
            }
        });
    }

    /// Waits for the world to stop a request, or for the process to end by itself.
    pub(crate) fn until_stopped(&self, running: &mut Running) -> bool {
        in_real_time(async {
            tokio::select! {
                biased;
                () = self.cloud.stopped() => true,
                _ = running.closed.as_mut().unwrap() => false,
                () = tokio::time::sleep(TOO_LONG) => panic!("neither stopped nor ended"),
            }
        })
    }
}

impl Drop for Hosted {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(serving) = self.serving.take() {
            let _ = serving.join();
        }
    }
}

/// Copies the shipped playbook into `dir`; gives back its path from there.
pub(crate) fn playbook_in(dir: &Path) -> String {
    let folder = dir.join("playbooks/leaked-access-key");
    if !folder.exists() {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("playbook.yaml"), PLAYBOOK).unwrap();
        std::fs::write(folder.join("world.yaml"), WORLD).unwrap();
    }
    "playbooks/leaked-access-key".to_owned()
}

/// The directories under `cases`, finished or not.
pub(crate) fn cases_in(dir: &Path) -> Vec<PathBuf> {
    let Ok(found) = std::fs::read_dir(dir.join("cases")) else { return Vec::new() };
    let mut found: Vec<PathBuf> = found.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

/// The binary in `dir`, with an environment that holds nothing but an empty home.
pub(crate) fn bare(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    let home = dir.join("home");
    std::fs::create_dir_all(&home).unwrap();
    command
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("HOME", home)
        .env("AWS_EC2_METADATA_DISABLED", "true");
    command
}

/// Runs a command as a shell does after `ulimit -f`: no file may grow beyond `blocks` of 512 bytes, and
/// writing more is an error, not the end of the process.
pub(crate) fn with_room_for(blocks: u64, command: &Command) -> Command {
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "trap '' XFSZ && ulimit -f \"$0\" && exec \"$@\"", &blocks.to_string()])
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(command.get_current_dir().unwrap())
        .env_clear()
        .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited.env("PATH", "/usr/bin:/bin");
    limited
}

/// How a process ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Everything it said.
    pub(crate) fn said(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    /// Fails the test with all that was said, unless it ended with `code`.
    #[track_caller]
    pub(crate) fn ended_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.said());
        self
    }
}

/// Runs to the end, with nothing to read.
pub(crate) fn ran(command: &mut Command) -> Ran {
    start(command).ended()
}

/// Runs to the end, with `typed` on its standard input.
pub(crate) fn ran_typing(command: &mut Command, typed: &str) -> Ran {
    let mut running = Running::of(command.stdin(Stdio::piped()));
    // It may end without reading it.
    let _ = running.child.stdin.take().unwrap().write_all(typed.as_bytes());
    running.ended()
}

/// Starts.
pub(crate) fn start(command: &mut Command) -> Running {
    Running::of(command.stdin(Stdio::null()))
}

/// A process that runs, with all it says being read.
pub(crate) struct Running {
    child: Child,
    out: JoinHandle<()>,
    so_far: Arc<(Mutex<Vec<u8>>, Condvar)>,
    err: JoinHandle<String>,
    /// Lines of standard error as they come.
    lines: std::sync::mpsc::Receiver<String>,
    /// Done when standard output was closed: the process has ended.
    closed: Option<oneshot::Receiver<()>>,
}

impl Running {
    fn of(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (close, closed) = oneshot::channel();
        let mut stdout = child.stdout.take().unwrap();
        let so_far = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let keep = Arc::clone(&so_far);
        let out = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(n @ 1..) = stdout.read(&mut bytes) {
                keep.0.lock().unwrap().extend(&bytes[..n]);
                keep.1.notify_all();
            }
            let _ = close.send(());
        });
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (tell, lines) = std::sync::mpsc::channel();
        let err = std::thread::spawn(move || {
            let mut all = String::new();
            for line in stderr.lines() {
                let line = line.unwrap();
                all.push_str(&line);
                all.push('\n');
                let _ = tell.send(line);
            }
            all
        });
        Self { child, out, so_far, err, lines, closed: Some(closed) }
    }

    /// Waits until standard output holds `word`; gives back all it holds.
    pub(crate) fn out_until(&self, word: &str) -> String {
        let (so_far, grew) = &*self.so_far;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let waiting = |bytes: &mut Vec<u8>| !text(bytes).contains(word);
        let held = so_far.lock().unwrap();
        let (held, waited) = grew.wait_timeout_while(held, TOO_LONG, waiting).unwrap();
        assert!(!waited.timed_out(), "it never printed {word:?}");
        text(&held)
    }

    /// Waits for a line of standard error that holds `word`.
    pub(crate) fn until_it_says(&self, word: &str) {
        while let Ok(line) = self.lines.recv_timeout(TOO_LONG) {
            if line.contains(word) {
                return;
            }
        }
        panic!("it never said {word:?}");
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("sh").args(["-c", "kill -$0 $1", name, &pid]).status().unwrap();
        assert!(sent.success());
    }

    /// `kill -9`.
    pub(crate) fn killed(mut self) -> Ran {
        self.child.kill().unwrap();
        self.ended()
    }

    /// Waits for its end.
    pub(crate) fn ended(mut self) -> Ran {
        let closed = self.closed.take().unwrap();
        in_real_time(async {
            if tokio::time::timeout(TOO_LONG, closed).await.is_err() {
                let _ = self.child.kill();
            }
        });
        let code = self.child.wait().unwrap().code();
        self.out.join().unwrap();
        let out = std::mem::take(&mut *self.so_far.0.lock().unwrap());
        Ran { code, out: String::from_utf8(out).unwrap(), err: self.err.join().unwrap() }
    }
}

/// Plays `scene` in real time.
pub(crate) fn in_real_time<T>(scene: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(scene)
}

/// Every file under `dir` with its bytes.
pub(crate) fn files_under(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_under(&path));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            found.push((path, bytes));
        }
    }
    found.sort();
    found
}

/// An access key id, read.
pub(crate) fn key(id: &str) -> AccessKeyId {
    AccessKeyId::parse(id).unwrap()
}
