//! Linux driver (`ipmi_devintf`, `linux/ipmi.h`).
//!
//! `unsafe` is allowed here because the driver's calls use structures with pointers, for which there is no
//! safe wrapper. Each structure points to data that is borrowed for the duration of the call, and the kernel
//! writes within the given lengths.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_long, c_uint, c_void};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use ipmi_proto::{CompletionCode, Destination, Request, Response};
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, ioctl, opcode};

use super::Transport;

/// An open file of the driver.
#[derive(Debug)]
pub(super) struct OpenIpmi(File);

impl OpenIpmi {
    /// Wraps an open file.
    pub(super) fn of(file: OwnedFd) -> Self {
        Self(file.into())
    }

    /// Opens the driver under the first of its names that exists.
    pub(super) fn open() -> io::Result<Self> {
        let mut missing = None;
        for path in DEVICES {
            match OpenOptions::new().read(true).write(true).open(path) {
                Ok(file) => return Ok(Self(file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => missing = Some(error),
                Err(error) => {
                    return Err(io::Error::new(error.kind(), format!("{path}: {error}")));
                }
            }
        }
        let kind = missing.map_or(io::ErrorKind::NotFound, |error| error.kind());
        let text = "there is no /dev/ipmi0\n  load the modules ipmi_si and ipmi_devintf, if this machine has a controller";
        Err(io::Error::new(kind, text))
    }
}

/// Device files of the driver (Linux, `drivers/char/ipmi/ipmi_devintf.c`, and older device rules).
pub const DEVICES: [&str; 3] = ["/dev/ipmi0", "/dev/ipmi/0", "/dev/ipmidev/0"];

impl AsFd for OpenIpmi {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Transport for OpenIpmi {
    fn send(&self, id: i64, destination: Destination, request: &Request) -> io::Result<()> {
        let address = Address::of(destination);
        let length =
            u16::try_from(request.data.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        let message = Message {
            net_fn: request.net_fn.number(),
            command: request.command,
            length,
            data: request.data.as_ptr().cast_mut(),
        };
        let mut command = IpmiRequest {
            address: &raw const address,
            address_length: ADDRESS_LENGTH,
            id: id as c_long,
            message,
        };
        // SAFETY: address and data outlive the call, and the driver only reads them.
        unsafe { ioctl(&self.0, Send(&mut command)) }.map_err(io::Error::from)
    }

    fn receive(&self) -> io::Result<(i64, Response)> {
        // Room for the longest address of the driver, and more than any message.
        let (mut address, mut data) = ([0_u64; 5], [0_u8; 512]);
        let message = Message { net_fn: 0, command: 0, length: data.len() as u16, data: data.as_mut_ptr() };
        let mut received = Received {
            kind: 0,
            address: address.as_mut_ptr().cast(),
            address_length: size_of_val(&address) as c_uint,
            id: 0,
            message,
        };
        // SAFETY: both buffers outlive the call, and the lengths passed are theirs.
        unsafe { ioctl(&self.0, Receive(&mut received)) }.map_err(io::Error::from)?;
        // Events and requests from others are not subscribed to, and are dropped.
        if received.kind != RESPONSE {
            return Err(io::Error::from(io::ErrorKind::WouldBlock));
        }
        let octets = data.get(..usize::from(received.message.length)).unwrap_or_default();
        let (code, data) = octets.split_first().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        Ok((received.id as i64, Response { code: CompletionCode(*code), data: data.into() }))
    }
}

/// `struct ipmi_system_interface_addr` and `struct ipmi_ipmb_addr`, which differ in one byte only.
#[repr(C)]
struct Address {
    kind: c_int,
    channel: i16,
    /// Logical unit of the controller, or address on the bus.
    first: u8,
    /// Unused, or logical unit at that address.
    second: u8,
}

impl Address {
    fn of(destination: Destination) -> Self {
        let unit = destination.logical_unit();
        match destination.bridged() {
            None => Self { kind: SYSTEM_INTERFACE, channel: THIS_CHANNEL, first: unit, second: 0 },
            Some((channel, address)) => {
                Self { kind: IPMB, channel: channel.into(), first: address, second: unit }
            }
        }
    }
}

/// `struct ipmi_msg`.
#[repr(C)]
struct Message {
    net_fn: u8,
    command: u8,
    length: u16,
    data: *mut u8,
}

/// `struct ipmi_req`.
#[repr(C)]
struct IpmiRequest {
    address: *const Address,
    address_length: c_uint,
    id: c_long,
    message: Message,
}

/// `struct ipmi_recv`.
#[repr(C)]
struct Received {
    kind: c_int,
    address: *mut u8,
    address_length: c_uint,
    id: c_long,
    message: Message,
}

/// `IPMICTL_SEND_COMMAND`.
struct Send<'a>(&'a mut IpmiRequest);

// SAFETY: the request code matches the structure, which the kernel only reads.
unsafe impl Ioctl for Send<'_> {
    type Output = ();
    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        opcode::read::<IpmiRequest>(b'i', 13)
    }

    fn as_ptr(&mut self) -> *mut c_void {
        (&raw mut *self.0).cast()
    }

    unsafe fn output_from_ptr(_: IoctlOutput, _: *mut c_void) -> rustix::io::Result<()> {
        Ok(())
    }
}

/// `IPMICTL_RECEIVE_MSG_TRUNC`.
struct Receive<'a>(&'a mut Received);

// SAFETY: the request code matches the structure, which the kernel reads and writes.
unsafe impl Ioctl for Receive<'_> {
    type Output = ();
    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        opcode::read_write::<Received>(b'i', 11)
    }

    fn as_ptr(&mut self) -> *mut c_void {
        (&raw mut *self.0).cast()
    }

    unsafe fn output_from_ptr(_: IoctlOutput, _: *mut c_void) -> rustix::io::Result<()> {
        Ok(())
    }
}

const SYSTEM_INTERFACE: c_int = 0x0c;
const IPMB: c_int = 0x01;
const THIS_CHANNEL: i16 = 0x0f;
const ADDRESS_LENGTH: c_uint = 8;
const RESPONSE: c_int = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn structures_and_numbers_are_those_of_the_kernel() {
        assert_eq!((size_of::<Message>(), size_of::<IpmiRequest>(), size_of::<Received>()), (16, 40, 48));
        assert_eq!(size_of::<Address>(), 8);
        assert_eq!(opcode::read::<IpmiRequest>(b'i', 13), 0x8028_690d);
        assert_eq!(opcode::read_write::<Received>(b'i', 11), 0xc030_690b);
    }

    #[test]
    fn a_machine_without_a_controller_is_an_error() {
        if ["/dev/ipmi0", "/dev/ipmi/0", "/dev/ipmidev/0"]
            .iter()
            .any(|path| std::path::Path::new(path).exists())
        {
            skips::skip!("this machine has a driver of a controller");
            return;
        }
        let error = OpenIpmi::open().unwrap_err();
        assert!(error.to_string().contains("ipmi_devintf"), "{error}");
    }
}
