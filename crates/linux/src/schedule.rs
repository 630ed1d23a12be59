//! Scheduled commands.

pub mod command;
pub mod cron;
