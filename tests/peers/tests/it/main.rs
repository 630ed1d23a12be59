//! Real peers against the real service, a module per peer.

#![allow(clippy::indexing_slicing)] // In a test a wrong index is a failure like any other.

/// Makes one test of each function for each way in; the functions are generic over the peer.
macro_rules! for_each_way_in {
    ($peer:ident: $($row:ident),+ $(,)?) => {
        mod basic_over_https {
            $(#[test] fn $row() { super::$row::<super::$peer>(telarch_peers::WayIn::BasicOverHttps); })+
        }
        mod basic_over_allowed_http {
            $(#[test] fn $row() { super::$row::<super::$peer>(telarch_peers::WayIn::BasicOverAllowedHttp); })+
        }
    };
    ($($row:ident),+ $(,)?) => {
        mod basic_over_https {
            $(#[test] fn $row() { super::$row(telarch_peers::WayIn::BasicOverHttps); })+
        }
        mod basic_over_allowed_http {
            $(#[test] fn $row() { super::$row(telarch_peers::WayIn::BasicOverAllowedHttp); })+
        }
    };
}

mod ansible;
mod cim;
mod client_certificate;
mod command_shell;
mod configuration;
mod copy;
mod credssp;
mod curl;
mod dialects;
mod digest;
mod doctor;
mod doctor_here;
mod doctor_realm;
mod glpi_agent;
mod haproxy;
mod hardware;
mod installation;
mod kerberos;
mod kerberos_programs;
mod machine;
mod matrix;
mod metrics;
mod monitoring;
mod ntlm;
mod openwsman;
mod otlp;
mod own_client;
mod own_suites;
mod policy;
mod powershell;
mod principals;
mod proxy;
mod pypsrp;
mod python_package;
mod pywinrm;
mod quick_config;
mod quick_config_sign_in;
mod readme;
mod realm;
mod reauthentication;
mod repository;
mod run_as;
mod scheme_choice;
mod scripting_api;
mod sign_in;
mod sign_in_failures;
mod sleeper;
mod spnego;
mod telarchd;
mod terminal;
mod winrm;
mod winrm_daily;
mod winrs;
mod wmi;
mod wmi_classes;
mod wmi_events;
mod wmi_fleet;
mod wmi_listing;
mod wmi_people;
mod wmi_programs;
mod wmi_values;
mod wmi_watch;
mod years;
