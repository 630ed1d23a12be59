//! Security descriptors: conversion between forms, and descriptors of files.

pub(crate) mod acl;
mod conversion;
mod setting;

use std::sync::Arc;

use cim::{Namespace, Schema, Value};
use sddl::SecurityDescriptor;
use wmi::ProviderError;
use wmi::descriptor::{self, Form};

use crate::Machine;
use crate::account::identity::AccountDirectory;
use crate::table::{Binding, bind};

/// Returns the tables of descriptor classes.
pub(crate) fn bindings(machine: &Arc<Machine>) -> Vec<Arc<dyn Binding>> {
    vec![bind(machine, conversion::SecurityDescriptorHelper), bind(machine, setting::FileSetting)]
}

/// Returns a descriptor as `Win32_SecurityDescriptor`.
///
/// # Errors
/// As for [`descriptor::write`].
pub(crate) fn object(machine: &Machine, descriptor: &SecurityDescriptor) -> Result<Value, ProviderError> {
    let schema = Schema::of(Namespace::cimv2());
    descriptor::write(&schema, Form::Win32, descriptor, &AccountDirectory::of(machine))
}
