//! Cached reads of a journal file at any position.

use std::collections::HashMap;
use std::fs::File;
use std::io;

use crate::LogError;

/// Content that can be read at any position.
pub trait ReadAt: Send + Sync {
    /// Reads bytes from a position on, and returns their number; 0 at the end.
    ///
    /// # Errors
    /// Errors of the operating system.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Returns the length in bytes.
    ///
    /// # Errors
    /// Errors of the operating system.
    fn length(&self) -> io::Result<u64>;
}

impl ReadAt for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, buffer, offset)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

impl ReadAt for Vec<u8> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.get(from..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..length), rest.get(..length)) {
            to.copy_from_slice(from);
        }
        Ok(length)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(u64::try_from(self.len()).unwrap_or(u64::MAX))
    }
}

/// Blocks of a file that were read before.
///
/// The file is not mapped into memory, because a process that truncates it would end this process by a signal.
pub(super) struct Bytes {
    content: Box<dyn ReadAt>,
    blocks: HashMap<u64, Box<[u8]>>,
    length: u64,
}

/// Size of a block in bytes.
const BLOCK: usize = 32 << 10;
/// Maximum number of blocks that are kept.
const MAX_BLOCKS: usize = 64;

impl Bytes {
    pub(super) fn new(content: Box<dyn ReadAt>) -> Result<Self, LogError> {
        let length = content.length()?;
        Ok(Self { content, blocks: HashMap::new(), length })
    }

    /// Frees the memory of blocks.
    pub(super) fn forget(&mut self) {
        self.blocks.clear();
    }

    /// Forgets all blocks and the length, because the file may have changed.
    pub(super) fn refresh(&mut self) -> Result<(), LogError> {
        self.blocks.clear();
        self.length = self.content.length()?;
        Ok(())
    }

    /// Returns whether a part is within the file.
    pub(super) fn contains(&self, offset: u64, size: u64) -> bool {
        offset.checked_add(size).is_some_and(|end| end <= self.length)
    }

    /// Fills a buffer from a position on.
    pub(super) fn fill(&mut self, mut buffer: &mut [u8], mut offset: u64) -> Result<(), LogError> {
        const SIZE: u64 = 32 << 10;
        while !buffer.is_empty() {
            let block = self.block(offset / SIZE)?;
            let within = usize::try_from(offset % SIZE).unwrap_or(usize::MAX);
            let rest = block.get(within..).unwrap_or_default();
            let length = rest.len().min(buffer.len());
            let (Some(from), Some((to, after))) = (rest.get(..length), buffer.split_at_mut_checked(length))
            else {
                break;
            };
            if length == 0 {
                return Err(LogError::Damaged { at: offset, reason: "the file ends here" });
            }
            to.copy_from_slice(from);
            buffer = after;
            offset = offset.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    fn block(&mut self, number: u64) -> Result<&[u8], LogError> {
        if self.blocks.len() >= MAX_BLOCKS && !self.blocks.contains_key(&number) {
            self.blocks.clear();
        }
        match self.blocks.entry(number) {
            std::collections::hash_map::Entry::Occupied(known) => Ok(known.into_mut()),
            std::collections::hash_map::Entry::Vacant(new) => {
                let mut block = vec![0; BLOCK];
                let mut length = 0;
                let begin = number.saturating_mul(u64::try_from(BLOCK).unwrap_or(u64::MAX));
                while let Some(rest) = block.get_mut(length..).filter(|rest| !rest.is_empty()) {
                    let at = begin.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
                    match self.content.read_at(rest, at) {
                        Ok(0) => break,
                        Ok(count) => length += count,
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                block.truncate(length);
                Ok(new.insert(block.into_boxed_slice()))
            }
        }
    }

    pub(super) fn u64(&mut self, offset: u64) -> Result<u64, LogError> {
        let mut bytes = [0; 8];
        self.fill(&mut bytes, offset)?;
        Ok(u64::from_le_bytes(bytes))
    }

    pub(super) fn u32(&mut self, offset: u64) -> Result<u32, LogError> {
        let mut bytes = [0; 4];
        self.fill(&mut bytes, offset)?;
        Ok(u32::from_le_bytes(bytes))
    }

    pub(super) fn array<const N: usize>(&mut self, offset: u64) -> Result<[u8; N], LogError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes, offset)?;
        Ok(bytes)
    }
}
