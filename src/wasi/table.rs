//! The table of a guest's descriptors.

use super::abi::{Encoded, FdFlags, FileType, Rights};
use super::dir::{DirAccess, Directory};
use super::errno::Errno;
use super::file::WasiFile;

/// A descriptor: the file or directory that a number refers to, and the guest's rights.
pub(crate) struct Descriptor {
    pub(crate) entry: Entry,
    /// The operations that the descriptor allows. At first all that its kind and the way it was
    /// opened allow; a guest can remove some.
    base: Rights,
    /// The most rights of descriptors that are opened through this one.
    inheriting: Rights,
    /// The operations that its kind and the way it was opened allow: other rights were never
    /// granted.
    granted: Rights,
    /// Whether metadata may be changed through the descriptor.
    dir_access: DirAccess,
}

pub(crate) enum Entry {
    File(Box<dyn WasiFile>),
    Directory(Directory),
}

impl Descriptor {
    pub(crate) fn file(file: Box<dyn WasiFile>, dir_access: DirAccess, allowed: Rights) -> Self {
        let mut granted = Rights::FILE;
        granted.set(Rights::FD_READ, file.access().reads());
        granted.set(Rights::FD_WRITE, file.access().writes());
        granted.set(Rights::POSITION, file.seekable());
        granted.set(Rights::SOCKET, file.file_type().is_socket());
        Self {
            entry: Entry::File(file),
            base: granted & allowed,
            inheriting: Rights::empty(),
            granted,
            dir_access,
        }
    }

    pub(crate) fn directory(directory: Directory, allowed: Rights) -> Self {
        let dir_access = directory.access();
        Self {
            entry: Entry::Directory(directory),
            base: Rights::DIRECTORY & allowed,
            inheriting: allowed,
            granted: Rights::DIRECTORY,
            dir_access,
        }
    }

    /// The rights to use and to inherit.
    pub(crate) fn rights(&self) -> (Rights, Rights) {
        (self.base, self.inheriting)
    }

    /// The struct `fdstat` for a guest, which is the same in both previews.
    pub(crate) fn encode_fdstat(&self) -> Encoded {
        let (file_type, flags) = match &self.entry {
            Entry::File(file) => (file.file_type(), file.flags()),
            Entry::Directory(_) => (FileType::Directory, FdFlags::empty()),
        };
        let mut out = Encoded::default();
        out.u8(0, file_type as u8);
        out.u16(2, flags.bits());
        out.u64(8, self.base.bits());
        out.u64(16, self.inheriting.bits());
        out
    }

    /// Removes rights.
    ///
    /// # Errors
    ///
    /// If the guest asks for rights that the descriptor does not have.
    pub(crate) fn lower_rights(&mut self, base: u64, inheriting: u64) -> Result<(), Errno> {
        let base = Rights::from_bits(base).ok_or(Errno::Notcapable)?;
        let inheriting = Rights::from_bits(inheriting).ok_or(Errno::Notcapable)?;
        if !self.base.contains(base) || !self.inheriting.contains(inheriting) {
            return Err(Errno::Notcapable);
        }
        self.base = base;
        self.inheriting = inheriting;
        Ok(())
    }

    /// Checks that the rights were not removed. A right that was never granted is no error here:
    /// reading a file that was opened to write only is the same error as in POSIX, and other
    /// operations return their own.
    pub(crate) fn check(&self, needed: Rights) -> Result<(), Errno> {
        if self.base.contains(needed) {
            return Ok(());
        }
        let missing = needed - self.base;
        if self.granted.intersects(missing) {
            Err(Errno::Notcapable)
        } else if missing.intersects(Rights::FD_READ | Rights::FD_WRITE) {
            Err(Errno::Badf)
        } else {
            Ok(())
        }
    }

    /// Checks that metadata may be changed.
    pub(crate) fn check_metadata(&self) -> Result<(), Errno> {
        match self.dir_access {
            DirAccess::ReadWrite => Ok(()),
            DirAccess::ReadOnly => Err(Errno::Rofs),
        }
    }
}

/// All descriptors of a guest, by number.
pub(crate) struct Table {
    slots: Vec<Option<Descriptor>>,
    /// A lower bound: no slot before this one is free.
    lowest_free: usize,
    limit: usize,
}

impl Table {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            slots: Vec::new(),
            lowest_free: 0,
            limit,
        }
    }

    /// Returns an error if there is no room for one more descriptor.
    pub(crate) fn check_room(&self) -> Result<(), Errno> {
        if self.next_free() >= self.limit {
            return Err(Errno::Mfile);
        }
        Ok(())
    }

    fn next_free(&self) -> usize {
        let used = self.slots[self.lowest_free..]
            .iter()
            .take_while(|slot| slot.is_some());
        self.lowest_free + used.count()
    }

    /// Adds a descriptor at the lowest free number, which it returns.
    pub(crate) fn insert(&mut self, descriptor: Descriptor) -> Result<u32, Errno> {
        self.check_room()?;
        let index = self.next_free();
        let fd = u32::try_from(index).map_err(|_| Errno::Mfile)?;
        if index == self.slots.len() {
            self.slots.push(None);
        }
        self.slots[index] = Some(descriptor);
        self.lowest_free = index + 1;
        Ok(fd)
    }

    pub(crate) fn get(&self, fd: u32) -> Result<&Descriptor, Errno> {
        let slot = self.slots.get(fd as usize).and_then(Option::as_ref);
        slot.ok_or(Errno::Badf)
    }

    pub(crate) fn get_mut(&mut self, fd: u32) -> Result<&mut Descriptor, Errno> {
        let slot = self.slots.get_mut(fd as usize).and_then(Option::as_mut);
        slot.ok_or(Errno::Badf)
    }

    pub(crate) fn remove(&mut self, fd: u32) -> Result<Descriptor, Errno> {
        let index = fd as usize;
        let slot = self.slots.get_mut(index).and_then(Option::take);
        let descriptor = slot.ok_or(Errno::Badf)?;
        self.lowest_free = self.lowest_free.min(index);
        Ok(descriptor)
    }

    /// Moves a descriptor to the number of another open one, which is closed.
    pub(crate) fn renumber(&mut self, from: u32, to: u32) -> Result<(), Errno> {
        self.get(from)?;
        self.get(to)?;
        if from != to {
            let descriptor = self.remove(from)?;
            self.slots[to as usize] = Some(descriptor);
        }
        Ok(())
    }

    /// The file of a descriptor, after checking rights; an error if it is a directory.
    pub(crate) fn file(&mut self, fd: u32, needed: Rights) -> Result<&mut dyn WasiFile, Errno> {
        let descriptor = self.get_mut(fd)?;
        if let Entry::Directory(_) = descriptor.entry {
            return Err(Errno::Badf);
        }
        descriptor.check(needed)?;
        match &mut descriptor.entry {
            Entry::File(file) => Ok(&mut **file),
            Entry::Directory(_) => Err(Errno::Badf),
        }
    }

    /// The directory of a descriptor, after checking rights.
    pub(crate) fn directory(&self, fd: u32, needed: Rights) -> Result<&Directory, Errno> {
        let descriptor = self.get(fd)?;
        let Entry::Directory(directory) = &descriptor.entry else {
            return Err(Errno::Notdir);
        };
        descriptor.check(needed)?;
        Ok(directory)
    }
}

#[cfg(test)]
mod tests {
    use super::super::pipe::ReadPipe;
    use super::*;

    fn stream() -> Descriptor {
        let file = Box::new(ReadPipe::from("text"));
        Descriptor::file(file, DirAccess::ReadWrite, Rights::all())
    }

    #[test]
    fn the_lowest_free_number_is_used() {
        let mut table = Table::new(5);
        let numbers: Vec<u32> = (0..5).map(|_| table.insert(stream()).unwrap()).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4]);
        assert_eq!(table.insert(stream()), Err(Errno::Mfile));
        for fd in [3, 1] {
            table.remove(fd).ok().unwrap();
        }
        assert_eq!(table.remove(1).err(), Some(Errno::Badf));
        assert_eq!(table.insert(stream()), Ok(1));
        assert_eq!(table.insert(stream()), Ok(3));
        assert_eq!(table.insert(stream()), Err(Errno::Mfile));
    }

    #[test]
    fn renumbering_closes_the_target_and_frees_the_source() {
        let mut table = Table::new(5);
        for _ in 0..4 {
            table.insert(stream()).unwrap();
        }
        assert_eq!(table.renumber(1, 3), Ok(()));
        assert!(table.get(1).is_err());
        assert_eq!(table.renumber(3, 1), Err(Errno::Badf));
        assert_eq!(table.renumber(3, u32::MAX), Err(Errno::Badf));
        assert_eq!(table.renumber(0, 0), Ok(()));
        assert_eq!(table.insert(stream()), Ok(1));
    }

    #[test]
    fn rights_go_down_and_not_up() {
        let mut descriptor = stream();
        let (base, inheriting) = descriptor.rights();
        assert_eq!(descriptor.check(Rights::FD_READ), Ok(()));
        assert_eq!(descriptor.check(Rights::FD_WRITE), Err(Errno::Badf));
        let lower = (base - Rights::FD_READ).bits();
        assert_eq!(descriptor.lower_rights(lower, inheriting.bits()), Ok(()));
        assert_eq!(descriptor.check(Rights::FD_READ), Err(Errno::Notcapable));
        let raised = descriptor.lower_rights(base.bits(), inheriting.bits());
        assert_eq!(raised, Err(Errno::Notcapable));
        assert_eq!(descriptor.lower_rights(1 << 60, 0), Err(Errno::Notcapable));
    }
}
