//! Brokers, topic and login of Kafka.

use std::fmt;

use zeroize::Zeroizing;

/// Topic of a Kafka cluster.
pub(super) struct KafkaTarget {
    /// Host names and ports, separated by commas.
    pub(super) brokers: String,
    pub(super) topic: String,
    /// Authorities of the brokers' certificates in PEM; `None` for those of the system.
    pub(super) authorities: Option<String>,
    pub(super) certificate: Option<KafkaCertificate>,
    pub(super) has_tls: bool,
    pub(super) login: Option<KafkaLogin>,
}

/// Certificate of this machine for brokers that require one, in PEM.
pub(super) struct KafkaCertificate {
    /// The certificate, followed by intermediate certificates.
    pub(super) chain: String,
    pub(super) key: Zeroizing<String>,
}

/// Login with SASL (RFC 4422).
pub(super) struct KafkaLogin {
    pub(super) mechanism: &'static str,
    pub(super) user: String,
    pub(super) password: Zeroizing<String>,
}

/// Mechanisms of logins; the first one is the default.
pub(super) const MECHANISMS: [&str; 3] = ["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"];
/// Topic of events without another one in the URL.
pub(super) const DEFAULT_TOPIC: &str = "wef";
/// Maximum length of the name of a topic.
const MAX_TOPIC: usize = 249;

impl KafkaTarget {
    /// Returns the properties of the producer.
    #[cfg_attr(not(feature = "kafka"), expect(dead_code, reason = "the producer needs them"))]
    pub(super) fn properties(&self) -> Vec<(&'static str, &str)> {
        let protocol = match (self.has_tls, &self.login) {
            (false, None) => "plaintext",
            (true, None) => "ssl",
            (false, Some(_)) => "sasl_plaintext",
            (true, Some(_)) => "sasl_ssl",
        };
        let mut all = vec![
            ("bootstrap.servers", self.brokers.as_str()),
            ("security.protocol", protocol),
            ("client.id", "telarch"),
            ("enable.idempotence", "true"),
            ("acks", "all"),
            ("compression.type", "lz4"),
            // The queue has at most one batch, and the spool the rest.
            ("queue.buffering.max.messages", "10000"),
            ("queue.buffering.max.kbytes", "65536"),
            ("linger.ms", "5"),
            ("message.timeout.ms", "30000"),
        ];
        if let Some(pem) = &self.authorities {
            all.push(("ssl.ca.pem", pem));
        }
        if let Some(KafkaCertificate { chain, key }) = &self.certificate {
            all.push(("ssl.certificate.pem", chain));
            all.push(("ssl.key.pem", key));
        }
        if let Some(login) = &self.login {
            all.push(("sasl.mechanism", login.mechanism));
            all.push(("sasl.username", &login.user));
            all.push(("sasl.password", &login.password));
        }
        all
    }
}

impl KafkaCertificate {
    /// Checks a certificate and its key.
    pub(super) fn parse(chain: &str, key: &str) -> Result<Self, String> {
        let certificates = tls::certificates(chain.as_bytes());
        certificates.map_err(|error| format!("ClientCertificate is invalid: {error}"))?;
        let private = tls::private_key(key.as_bytes());
        private.map_err(|error| format!("ClientKey is invalid: {error}"))?;
        Ok(Self { chain: chain.to_owned(), key: key.to_owned().into() })
    }
}

impl fmt::Debug for KafkaTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} topic {}, TLS: {}", self.brokers, self.topic, self.has_tls)
    }
}

/// Returns the brokers of a URL, with the port of those that have none.
pub(super) fn brokers(authority: &str, default_port: u16) -> Result<String, String> {
    let mut all = Vec::new();
    for broker in authority.split(',') {
        let (host, port) = match broker.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (
                host,
                port.parse::<u16>().map_err(|_| format!("the port of the broker {broker} is invalid"))?,
            ),
            _ => (broker, default_port),
        };
        if host.is_empty() || !host.chars().all(is_of_host) {
            return Err(format!("the broker \"{broker}\" is invalid; use HOST:PORT, separated by commas"));
        }
        all.push(format!("{host}:{port}"));
    }
    Ok(all.join(","))
}

fn is_of_host(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']')
}

/// Returns the topic of the path of a URL.
pub(super) fn topic(path: &str) -> Result<String, String> {
    let topic = path.strip_prefix('/').unwrap_or_default();
    let topic = if topic.is_empty() { DEFAULT_TOPIC } else { topic };
    let is_usual = topic.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    if !is_usual || topic.len() > MAX_TOPIC || matches!(topic, "." | "..") {
        return Err("a topic has at most 249 letters, digits, periods, hyphens and underscores".to_owned());
    }
    Ok(topic.to_owned())
}
