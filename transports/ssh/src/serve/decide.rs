//! Whether a call is allowed, and what is executed for it.

use std::env;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use files::read_small;
use nix::unistd::{AccessFlags, Uid, User, access};
use policy::Decision;
use policy::place::Place;
use policy::trusted;
use program::failure::Failure;
use program::programs;
use qfile_proto::QubeName;
use qrexec::build_tree::BuildTree;
use qrexec::status::{NO_SERVICE, NOT_EXECUTED, REFUSED};
use qrexec::{Service, Settings, Target, service, settings};

use super::request::Judged;
use crate::args::Serve;
use crate::wire::Qube;

/// The folder of policy in `/etc`. That of the account comes after it.
const POLICY: &str = "qfile/policy.d";

/// Where the package of this program has service files, for a machine without /etc/qubes-rpc.
const PACKAGED: &str = "/usr/lib/qubes/rpc";

/// The same for the settings of services.
const PACKAGED_SETTINGS: &str = "/usr/lib/qubes/rpc-config";

/// The client of qrexec in a relay.
const QREXEC_CLIENT: &str = "qrexec-client-vm";

/// A call that is allowed.
#[derive(Debug)]
pub(super) struct Decided {
    pub(super) source: QubeName,
    pub(super) service: Service,
    pub(super) program: PathBuf,
    /// What the caller is told of the program: a local path is not for it.
    told: String,
    pub(super) arguments: Vec<String>,
    pub(super) home: PathBuf,
    /// Where services are looked for.
    pub(super) folders: Vec<PathBuf>,
    pub(super) build_tree: Option<BuildTree>,
}

/// A call that is not made.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) failure: Failure,
    /// What only the owner of this machine is told.
    pub(super) for_the_log: Option<String>,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            for_the_log: None,
        }
    }
}

impl Decided {
    /// The program cannot be executed.
    pub(super) fn not_executed(&self, why: impl Display) -> Refusal {
        let shown = text::file(&self.program);
        Refusal {
            for_the_log: Some(format!("cannot execute {shown}: {why}")),
            failure: Failure::new(format!("cannot execute {}", self.told))
                .because(why)
                .with_status(NOT_EXECUTED),
        }
    }
}

/// Decides about a call.
///
/// # Errors
/// It is refused, or there is no such service.
pub(super) fn decide(line: &Serve, judged: Judged) -> Result<Decided, Refusal> {
    let Judged { source, request } = judged;
    let service = request.service().clone();
    let home = home()?;
    let build_tree = BuildTree::around_this_program();
    let folders = folders(line.services.as_deref(), build_tree.as_ref());
    let (program, told, arguments) = if line.relay {
        let target = match request.qube() {
            Qube::Unnamed => "@default".to_owned(),
            named => named.to_string(),
        };
        // The policy of dom0 decides.
        let client = programs::find(QREXEC_CLIENT);
        let arguments = [
            format!("--source-qube={source}"),
            target,
            service.to_string(),
        ];
        (client, QREXEC_CLIENT.to_owned(), arguments.to_vec())
    } else {
        if *request.qube() != Qube::Unnamed {
            let why = "this machine has no qubes";
            return Err(
                refused(format!("cannot call a service in {}", request.qube()), why).into(),
            );
        }
        ask_policy(&source, &service, &home)?;
        let file = service.find_in(&folders).ok_or_else(|| {
            Failure::new(format!("there is no service {service}")).with_status(NO_SERVICE)
        })?;
        ask_settings(&source, &service, build_tree.as_ref())?;
        let argument = Some(service.argument()).filter(|argument| !argument.is_empty());
        let arguments = argument.into_iter().map(str::to_owned).collect();
        (file, service.to_string(), arguments)
    };
    let decided = Decided {
        source,
        service,
        program,
        told,
        arguments,
        home,
        folders,
        build_tree,
    };
    match access(&decided.program, AccessFlags::X_OK) {
        Ok(()) => Ok(decided),
        Err(error) => Err(decided.not_executed(error)),
    }
}

fn refused(attempted: String, why: &str) -> Failure {
    Failure::new(attempted).because(why).with_status(REFUSED)
}

/// The home folder of the account, which sshd has set.
fn home() -> Result<PathBuf, Failure> {
    let home = env::var_os("HOME").map(PathBuf::from);
    let home = home.filter(|home| home.is_absolute()).or_else(|| {
        let user = User::from_uid(Uid::current()).ok().flatten()?;
        Some(user.dir)
    });
    let home = home.filter(|home| fs::metadata(home).is_ok_and(|metadata| metadata.is_dir()));
    home.ok_or_else(|| Failure::new("the account has no home folder").with_status(NOT_EXECUTED))
}

fn folders(first: Option<&Path>, tree: Option<&BuildTree>) -> Vec<PathBuf> {
    let last = tree.map_or_else(|| PathBuf::from(PACKAGED), |tree| tree.rpc.clone());
    let installed = service::FOLDERS.map(PathBuf::from);
    let first = first.map(Path::to_owned);
    first.into_iter().chain(installed).chain([last]).collect()
}

/// Asks the settings of the service as whom it runs. As another account than the one that the key
/// opens, it cannot.
fn ask_settings(
    source: &QubeName,
    service: &Service,
    tree: Option<&BuildTree>,
) -> Result<(), Refusal> {
    let last = tree.map_or_else(
        || PathBuf::from(PACKAGED_SETTINGS),
        |tree| tree.rpc.join("rpc-config"),
    );
    let folders: Vec<PathBuf> = settings::FOLDERS
        .map(PathBuf::from)
        .into_iter()
        .chain([last])
        .collect();
    let Some(file) = service.find_in(&folders) else {
        return Ok(());
    };
    let settings = read_settings(&file).map_err(|why| Refusal {
        for_the_log: Some(format!("{}: {why}", text::file(&file))),
        failure: Failure::new(format!("cannot execute {service}"))
            .because("its settings cannot be used; their owner finds the reason in the system log")
            .with_status(NOT_EXECUTED),
    })?;
    match settings.force_user {
        Some(user) if !is_account(&user, Uid::current()) => Err(refused(
            format!("{service} from {source} is refused"),
            "its settings want it to run as another account than the one that the key opens",
        )
        .into()),
        _ => Ok(()),
    }
}

fn read_settings(file: &Path) -> Result<Settings, String> {
    let bytes = read_small(file).map_err(|error| error.to_string())?;
    let text = String::from_utf8(bytes).map_err(|_| "it is not text in UTF-8")?;
    Settings::parse(&text)
}

/// Asks the policy of this machine and of the account.
fn ask_policy(source: &QubeName, service: &Service, home: &Path) -> Result<(), Refusal> {
    let folders = [
        Place::new("/etc", POLICY),
        Place::new(home, Path::new(".config").join(POLICY)),
    ];
    let account = Uid::current();
    let policy =
        trusted::load(&folders, rustix::process::getuid()).map_err(|unusable| Refusal {
            failure: refused(
                format!("{service} is refused"),
                "the policy cannot be used; its owner finds the reason in the system log",
            ),
            for_the_log: Some(unusable.to_string()),
        })?;
    let call = format!("{service} from {source} is refused");
    match policy.decide(source, &Target::Default, service) {
        Some(Decision::Allow { target, user }) => {
            if target
                .as_ref()
                .is_some_and(|target| *target != Target::Default)
            {
                let why = "the policy sends it to a qube, and this machine has none";
                return Err(refused(call, why).into());
            }
            match user.as_deref().is_none_or(|user| is_account(user, account)) {
                true => Ok(()),
                false => Err(refused(
                    call,
                    "the policy wants it to run as another account than the one that the key opens",
                )
                .into()),
            }
        }
        Some(Decision::Ask { .. }) => {
            let why = "the policy says ask, and there is nobody to ask here";
            Err(refused(call, why).into())
        }
        Some(Decision::Deny) => Err(refused(call, "the policy denies it").into()),
        None => Err(refused(call, "no line of the policy allows it").into()),
    }
}

fn is_account(name: &str, account: Uid) -> bool {
    let user = User::from_name(name).ok().flatten();
    user.is_some_and(|user| user.uid == account)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packaged_folder_is_the_last_one() {
        let folders = folders(Some(Path::new("/first")), None);
        let shown: Vec<_> = folders
            .iter()
            .map(|folder| folder.to_str().unwrap())
            .collect();
        let expected = [
            "/first",
            "/run/qubes-rpc",
            "/usr/local/etc/qubes-rpc",
            "/etc/qubes-rpc",
            "/usr/lib/qubes/rpc",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn an_account_is_known_by_its_number() {
        let user = User::from_uid(Uid::current()).unwrap();
        if let Some(user) = user {
            assert!(is_account(&user.name, Uid::current()));
        }
        assert!(!is_account("no such account", Uid::current()));
        assert!(!is_account("", Uid::current()));
    }
}
