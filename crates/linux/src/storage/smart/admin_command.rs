//! Admin commands for NVMe controllers (`linux/nvme_ioctl.h`).
//!
//! `unsafe` is allowed here because the ioctl takes a structure that contains an address, for which no safe
//! wrapper exists. The address points to a buffer that is borrowed for the duration of the call, and the
//! kernel writes only within the given length.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::fs::File;
use std::io;

use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, ioctl, opcode};

/// Reads a log page of the controller, not of a namespace (NVM Express Base Specification, Get Log Page), and
/// fills all of `page` with it.
///
/// # Errors
/// Errors of the kernel or the controller.
pub(super) fn read_log(controller: &File, number: u8, page: &mut [u8]) -> io::Result<()> {
    let length = u32::try_from(page.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let doublewords =
        (length / 4).checked_sub(1).filter(|_| length % 4 == 0).ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = AdminCommand {
        opcode: GET_LOG_PAGE,
        namespace: EVERY_NAMESPACE,
        address: page.as_mut_ptr() as u64,
        length,
        words: [u32::from(number) | (doublewords & 0xFFFF) << 16, doublewords >> 16, 0, 0, 0, 0],
        timeout: 5_000,
        ..AdminCommand::default()
    };
    // SAFETY: the page outlives the call, and its length is the one that the kernel is told.
    let status = unsafe { ioctl(controller, Submit(&mut command)) }.map_err(io::Error::from)?;
    if status == 0 {
        Ok(())
    } else {
        Err(io::Error::other(format!("the controller answers with status {status:#x}")))
    }
}

const GET_LOG_PAGE: u8 = 0x02;
const EVERY_NAMESPACE: u32 = u32::MAX;

/// `struct nvme_admin_cmd` of the kernel.
#[repr(C)]
#[derive(Default)]
struct AdminCommand {
    opcode: u8,
    flags: u8,
    reserved: u16,
    namespace: u32,
    unused: [u32; 2],
    metadata: u64,
    address: u64,
    metadata_length: u32,
    length: u32,
    /// Command doublewords 10 to 15.
    words: [u32; 6],
    /// In milliseconds.
    timeout: u32,
    result: u32,
}

/// The ioctl `NVME_IOCTL_ADMIN_CMD`, which returns the status of the command.
struct Submit<'a>(&'a mut AdminCommand);

// SAFETY: the number is that of a call that takes this structure, reads and writes it.
unsafe impl Ioctl for Submit<'_> {
    type Output = u32;

    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        opcode::read_write::<AdminCommand>(b'N', 0x41)
    }

    fn as_ptr(&mut self) -> *mut c_void {
        std::ptr::from_mut(self.0).cast()
    }

    unsafe fn output_from_ptr(out: IoctlOutput, _: *mut c_void) -> rustix::io::Result<u32> {
        Ok(out.unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number computed by `linux/nvme_ioctl.h` from the size of the structure.
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    #[test]
    fn the_call_has_the_number_of_the_kernel() {
        assert_eq!(size_of::<AdminCommand>(), 72);
        assert_eq!(Submit(&mut AdminCommand::default()).opcode(), 0xC048_4E41);
    }

    #[test]
    fn admin_command_fails_on_a_regular_file() {
        let file = File::open("/dev/null").expect("it is there");
        read_log(&file, 2, &mut [0; 512]).expect_err("it is no controller");
        assert_eq!(
            read_log(&file, 2, &mut [0; 3]).expect_err("too short").kind(),
            io::ErrorKind::InvalidInput
        );
    }
}
