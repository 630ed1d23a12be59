//! Client of the print server CUPS.

pub mod ipp;
pub mod job;
pub mod port;
pub mod printer;
pub mod scheduler;
