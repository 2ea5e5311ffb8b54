//! Looks up names, in a process without rights: what a DNS server answers is read here and nowhere
//! else.
//!
//! Two processes: one that only starts the other again when it has ended, so that an answer that
//! ends it, should there be one, costs no more than a pause. The work is the library's: it sends
//! from random ports, compares every answer with its question, and goes over to TCP.
//!
//! A question is a name. Its answer is the name, then a line for the time to live in seconds, and
//! one for each address; or the name alone, when nothing was found.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::str;
use std::thread;
use std::time::{Duration, Instant};

use firewall::{HostName, RESOLV_CONF, name_servers};
use hickory_resolver::Resolver;
use hickory_resolver::config::{
    LookupIpStrategy, NameServerConfigGroup, ResolverConfig, ResolverOpts, ServerOrderingStrategy,
};
use hickory_resolver::name_server::TokioConnectionProvider;
use hickory_resolver::proto::rr::RecordType;
use program::failure::Failure;
use tokio::task::LocalSet;

use crate::confine;
use crate::helper::{self, MAX_MESSAGE_LEN, NOBODY};
use crate::names::Answer;

/// The port of DNS.
const PORT: u16 = 53;

/// How long one server may take, and how often all are asked.
const TIMEOUT: Duration = Duration::from_secs(4);
const ATTEMPTS: usize = 2;

/// For how long an answer of `/etc/hosts` is good, which has no time to live.
const HOSTS_TTL: Duration = Duration::from_secs(60);

/// How long the process that ended is not started again.
const PAUSE: Duration = Duration::from_secs(1);

/// Starts the resolver.
pub(crate) fn start() -> io::Result<UnixDatagram> {
    helper::start("--resolver", (NOBODY, NOBODY), &[])
}

/// Keeps a worker until the agent has ended.
pub(crate) fn supervise() -> Result<(), Failure> {
    confine::give_up_everything().map_err(Failure::of("cannot confine the resolver"))?;
    loop {
        let status = Command::new("/proc/self/exe")
            .arg("--resolver-worker")
            .status()
            .map_err(Failure::of("cannot start the resolver"))?;
        if status.success() {
            return Ok(());
        }
        program::say::say(format_args!(
            "qubes-firewall: the resolver ended and is started again: {status}"
        ));
        thread::sleep(PAUSE);
    }
}

/// Answers questions until the agent has ended.
pub(crate) fn work() -> Result<(), Failure> {
    let agent = helper::of_agent().map_err(Failure::of("cannot hear from the agent"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(Failure::of("cannot start the resolver"))?;
    confine::confine_resolver().map_err(Failure::of("cannot confine the resolver"))?;
    let local = LocalSet::new();
    local
        .block_on(&runtime, answer_all(agent))
        .map_err(Failure::of("cannot hear from the agent"))
}

async fn answer_all(agent: UnixDatagram) -> io::Result<()> {
    agent.set_nonblocking(true)?;
    let agent = std::rc::Rc::new(tokio::net::UnixDatagram::from_std(agent)?);
    let mut question = vec![0; MAX_MESSAGE_LEN];
    loop {
        let len = agent.recv(&mut question).await?;
        if len == 0 {
            return Ok(());
        }
        let name = str::from_utf8(&question[..len])
            .ok()
            .and_then(HostName::parse);
        let Some(name) = name else { continue };
        let agent = agent.clone();
        tokio::task::spawn_local(async move {
            let found = look_up(&name).await;
            // Who does not read asks again.
            let _lost = agent.send(&written(&Answer { name, found })).await;
        });
    }
}

/// All addresses of a name of both families. The files of the system are read anew each time: they
/// change with the network.
async fn look_up(name: &HostName) -> Option<(BTreeSet<IpAddr>, Duration)> {
    if let Ok(address) = name.as_str().parse() {
        return Some(([address].into(), HOSTS_TTL));
    }
    let servers = name_servers(&fs::read(RESOLV_CONF).unwrap_or_default());
    let servers = NameServerConfigGroup::from_ips_clear(&servers, PORT, true);
    let config = ResolverConfig::from_parts(None, Vec::new(), servers);
    let mut options = ResolverOpts::default();
    options.timeout = TIMEOUT;
    options.attempts = ATTEMPTS;
    options.cache_size = 0;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.server_ordering_strategy = ServerOrderingStrategy::UserProvidedOrder;
    options.edns0 = true;
    let provider = TokioConnectionProvider::default();
    let resolver = Resolver::builder_with_config(config, provider)
        .with_options(options)
        .build();
    // The name is whole: the domains that people may leave out are not tried.
    let whole = format!("{}.", name.as_str().trim_end_matches('.'));
    let asked = Instant::now();
    let found = resolver.lookup_ip(whole).await.ok()?;
    let records = found.as_lookup().record_iter();
    let of_address = records.filter(|record| {
        matches!(
            record.record_type(),
            RecordType::A | RecordType::AAAA | RecordType::CNAME
        )
    });
    let ttl = of_address.map(|record| record.ttl()).min()?;
    let ttl =
        Duration::from_secs(ttl.into()).min(found.valid_until().saturating_duration_since(asked));
    Some((found.iter().collect(), ttl))
}

/// The message of an answer.
fn written(answer: &Answer) -> Vec<u8> {
    let mut lines = vec![answer.name.to_string()];
    if let Some((addresses, ttl)) = &answer.found {
        lines.push(ttl.as_secs().to_string());
        lines.extend(addresses.iter().map(IpAddr::to_string));
    }
    let mut bytes = Vec::new();
    for line in lines {
        if bytes.len() + line.len() < MAX_MESSAGE_LEN {
            bytes.extend_from_slice(line.as_bytes());
            bytes.push(b'\n');
        }
    }
    bytes
}

/// Reads an answer. It is not trusted: the resolver reads what comes from the network.
pub(crate) fn read(untrusted_message: &[u8]) -> Option<Answer> {
    let text = str::from_utf8(untrusted_message).ok()?.strip_suffix('\n')?;
    let mut lines = text.split('\n');
    let name = HostName::parse(lines.next()?)?;
    let Some(ttl) = lines.next() else {
        return Some(Answer { name, found: None });
    };
    let ttl = Duration::from_secs(ttl.parse::<u32>().ok()?.into());
    let addresses: Option<BTreeSet<IpAddr>> = lines.map(|line| line.parse().ok()).collect();
    let found = Some((addresses?, ttl));
    Some(Answer { name, found })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let name = HostName::parse("example.com").unwrap();
        let addresses = ["192.0.2.1", "2001:db8::1"].map(|address| address.parse().unwrap());
        for found in [
            None,
            Some((BTreeSet::new(), Duration::ZERO)),
            Some((addresses.into(), Duration::from_secs(300))),
        ] {
            let answer = Answer {
                name: name.clone(),
                found,
            };
            assert_eq!(read(&written(&answer)), Some(answer));
        }
    }

    #[test]
    fn anything_else_is_no_answer() {
        for message in [
            &b""[..],
            b"\n",
            b"example.com",
            b"EXAMPLE\n",
            b"a\n1\nx\n",
            b"a\n-1\n",
            b"a\n\n",
            b"a\n1\n192.0.2.1\n\n",
            b"a\n1\n192.0.2.1 \n",
            b"a\xff\n",
        ] {
            assert_eq!(read(message), None, "{}", message.escape_ascii());
        }
    }
}
