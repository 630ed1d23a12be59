//! Real peers for the tests of this workspace: other people's clients against our service, and our programs
//! beside them.
//!
//! The only job of this library is to start such programs, to wait for them with a limit, and to clean up after
//! them; what they must see stands in `tests/it`, one module per peer.
//!
//! ```no_run
//! use telarch_peers::{Peer, Pywinrm, Telarchd, WayIn};
//!
//! let way = WayIn::BasicOverHttps;
//! let service = Telarchd::start_for(way);
//! let run = Pywinrm::against(&service, way).run("echo out; echo err 1>&2; exit 3");
//! assert_eq!(run.text(), ("out\n", "err\n", 3));
//! ```
//!
//! A peer that is not installed fails the test and names the command that installs it.
//! Nothing here builds anything: `./test` does that first.

mod acceptor;
mod ansible;
mod apache;
mod certificate_mapping;
mod conversation;
mod curl;
mod debian;
mod diagnosis;
mod dracclient;
mod event_sink;
mod event_source;
mod foreign;
mod glpi_agent;
mod governed;
mod haproxy;
mod holder;
mod installed;
mod journald;
mod kdc;
mod kerberos_peer;
mod machine;
mod metrics;
mod network;
mod openwsman;
mod openwsman_service;
mod otlp_receiver;
mod package;
mod process;
mod programs;
mod prometheus;
mod psutil;
mod pwsh;
mod pypsrp;
mod pyspnego;
mod python;
mod pywbem;
mod pywinrm;
mod reauthentication;
mod relay;
mod remote;
mod run;
mod samba;
mod squid;
mod stored_service;
mod suite;
mod telarchd;
pub mod terminal;
mod tmux;
mod walk;
mod way_in;
mod well_formed;
mod whistle;
mod world;
mod years;

pub use acceptor::{Flaw, PyspnegoService};
pub use ansible::{
    Ansible, Connection, Outcome, Report, SavedInventory, ping_saved_host, playbook_over_telarch,
};
pub use apache::{Apache, Asking};
pub use certificate_mapping::{CERTIFICATE_MAPPINGS, certificate_mapping, map_certificates};
pub use curl::{Curl, Reply};
pub use debian::{Debian, Packages, repository, succeed};
pub use diagnosis::{Diagnosis, Finding};
pub use dracclient::Dracclient;
pub use event_sink::EventSink;
pub use event_source::{SourceAnswer, deliver_events};
pub use foreign::{FullQueue, OpensslServer, Sink, WebServer};
pub use glpi_agent::GlpiAgent;
pub use governed::Governed;
pub use haproxy::{Frontend, Haproxy};
pub use holder::{Authority, Holder};
pub use journald::{JOURNALD, Journald};
pub use kdc::{Kdc, Keys, REALM, Realm, in_realm};
pub use kerberos_peer::{End, KerberosPeer, Messages, Progress};
pub use machine::{Machine, Proof};
pub use metrics::MetricsPage;
pub use network::{firewall, in_network};
pub use openwsman::Openwsman;
pub use openwsman_service::OpenwsmanService;
pub use otlp_receiver::{OtlpReceiver, OtlpRequest};
pub use package::{check_package, test_package};
pub use process::ends_within;
pub use programs::{CommandLine, Password, Winrm, Winrs, start_telarch, telarch};
pub use prometheus::{Prometheus, promtool_check};
pub use psutil::psutil;
pub use pwsh::Pwsh;
pub use pypsrp::Pypsrp;
pub use pyspnego::{CredSspSettings, Layer, Pyspnego, PyspnegoSettings};
pub use python::{served_pem, served_thumbprint};
pub use pywbem::{compile_mof, like, read_classes};
pub use pywinrm::Pywinrm;
pub use reauthentication::reauthenticate;
pub use relay::Relay;
pub use remote::{Peer, Refusal, Remote};
pub use run::{Run, Running};
pub use samba::{Record, Samba};
pub use squid::{Gatekeeper, Squid};
pub use stored_service::StoredService;
pub use suite::Suite;
pub use telarchd::{PASSWORD, Telarchd, USER, built_program};
pub use terminal::Terminal;
pub use tmux::Tmux;
pub use walk::{SignIn, Signed, walk};
pub use way_in::WayIn;
pub use well_formed::{assert_items_well_formed, assert_well_formed};
pub use whistle::whistle;
pub use world::{World, apart, in_bare_world, in_world, own_program, python_of_peers, served_fingerprint};
pub use years::{Release, YearSignIn};
