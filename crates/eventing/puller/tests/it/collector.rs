//! A collector in a temporary folder.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use client::TlsPolicy;
use eventing::{
    Collector, CollectorParts, Format, IdentityCheck, Layout, OutputSettings, Source, SourceState,
    StoreSettings, Subscriptions,
};
use telarch_event_pulling::{MachineCredentials, Puller, PullerParts, TURN};
use tempfile::TempDir;

/// Patience with events that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A collector and its files.
pub(crate) struct Collecting {
    folder: TempDir,
    collector: Arc<Collector>,
}

impl Collecting {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let collector = Collector::open(CollectorParts {
            store: StoreSettings::File(folder.path().join("events.sqlite")),
            outputs: vec![OutputSettings {
                layout: Layout::PerSource(folder.path().join("sources")),
                format: Format::Json,
                rotation: None,
            }],
            destinations: Vec::new(),
            spool: folder.path().join("spool"),
            total_limit: None,
            quarantine: folder.path().join("quarantine"),
            subscriptions: Subscriptions::default(),
            identity: IdentityCheck::Mark,
        });
        Self { collector: Arc::new(collector.await.unwrap()), folder }
    }

    /// Replaces the subscriptions.
    pub(crate) async fn set(&self, texts: &[&str]) {
        let files = texts.iter().map(|text| (PathBuf::from("subscription.xml"), text.as_bytes().to_vec()));
        self.collector.set_subscriptions(Subscriptions::parse(files).unwrap()).await.unwrap();
    }

    /// Pulls from the sources of a subscription. Basic over HTTP is allowed.
    pub(crate) async fn pull(&self, text: &str) -> Puller {
        self.pull_in_turns(text, 256, TURN).await
    }

    /// As [`Self::pull`], with at most so many connections, which last so long while other sources wait.
    pub(crate) async fn pull_in_turns(&self, text: &str, max_connections: usize, turn: Duration) -> Puller {
        self.set(&[text]).await;
        let mut client = config::Config::default().client;
        client.allow_unencrypted = true;
        let collector = Arc::clone(&self.collector);
        let delivery_url = "https://localhost:5986/wsman".to_owned();
        let tls = TlsPolicy::new();
        let machine = MachineCredentials::default();
        let puller = Puller::new(PullerParts {
            collector,
            client,
            max_connections,
            turn,
            delivery_url,
            presets_push: false,
            tls,
            machine,
        });
        puller.follow();
        puller
    }

    /// Returns the file of events of a source.
    pub(crate) fn events(&self, source: &str) -> PathBuf {
        self.folder.path().join("sources").join(Source::of_address(source).file_name()).join("events.jsonl")
    }

    pub(crate) fn lines(&self, source: &str) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.events(source)).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(crate) async fn state(&self, source: &str, subscription: &str) -> Option<SourceState> {
        let subscriptions = self.collector.subscriptions();
        let states = self.collector.states(subscriptions.named(subscription).unwrap()).await.unwrap();
        let id = Source::of_address(source).id();
        states.into_iter().find(|state| state.source == id)
    }

    /// Waits until a source has failed.
    pub(crate) async fn wait_for_fault(&self, source: &str, subscription: &str) -> SourceState {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.state(source, subscription).await {
                Some(state) if state.last_fault.is_some() => return state,
                state => assert!(Instant::now() < until, "{source}: {state:?}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Returns a subscription with these sources and passwords.
pub(crate) fn subscription(id: &str, port: u16, sources: &[(&str, Option<&str>)]) -> String {
    let sources = sources.iter().map(|(address, password)| {
        let credentials =
            password.map(|password| format!("<UserName>ada</UserName><Password>{password}</Password>"));
        format!("<EventSource><Address>{address}</Address>{}</EventSource>", credentials.unwrap_or_default())
    });
    format!(
        "<Subscription xmlns=\"http://schemas.microsoft.com/2006/03/windows/events/subscription\">\
         <SubscriptionId>{id}</SubscriptionId><SubscriptionType>CollectorInitiated</SubscriptionType>\
         <ConfigurationMode>Custom</ConfigurationMode><Delivery Mode=\"Pull\"><Batching><MaxItems>5</MaxItems>\
         <MaxLatencyTime>1000</MaxLatencyTime></Batching></Delivery><Query><![CDATA[<QueryList><Query Id=\"0\">\
         <Select Path=\"System\">*</Select></Query></QueryList>]]></Query><TransportPort>{port}</TransportPort>\
         <CredentialsType>Basic</CredentialsType><EventSources>{}</EventSources></Subscription>",
        sources.collect::<String>()
    )
}
