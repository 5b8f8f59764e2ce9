//! The feature bits of the superblock by name, and what pimg makes of each.
//!
//! Format: kernel documentation, `filesystems/ext4/super.rst`. The format promises: an unknown *incompatible*
//! bit forbids even reading, an unknown *read-only compatible* bit forbids writing, an unknown *compatible*
//! bit forbids nothing to the kernel but stops `e2fsck`, and so stops an edit here.

use super::Error;

macro_rules! bits {
    ($table:ident: $($(#[$doc:meta])* $name:ident = $bit:literal $text:literal,)*) => {
        $($(#[$doc])* pub const $name: u32 = $bit;)*
        const $table: &[(u32, &str)] = &[$(($bit, $text)),*];
    };
}

/// `s_feature_compat`.
pub mod compat {
    bits! { NAMES:
        /// Blocks are preallocated for directories.
        DIR_PREALLOC = 0x1 "dir_prealloc",
        /// AFS server inodes.
        IMAGIC_INODES = 0x2 "imagic_inodes",
        /// A journal exists.
        HAS_JOURNAL = 0x4 "has_journal",
        /// Extended attributes.
        EXT_ATTR = 0x8 "ext_attr",
        /// Blocks behind the group descriptors are reserved for more of them.
        RESIZE_INODE = 0x10 "resize_inode",
        /// Directories may have a hash tree.
        DIR_INDEX = 0x20 "dir_index",
        /// Never in any release.
        LAZY_BG = 0x40 "lazy_bg",
        /// Snapshots, never merged.
        EXCLUDE_INODE = 0x80 "exclude_inode",
        /// Snapshots, never merged.
        EXCLUDE_BITMAP = 0x100 "snapshot_bitmap",
        /// Only two groups have backups of the superblock.
        SPARSE_SUPER2 = 0x200 "sparse_super2",
        /// The journal has an area of fast commits.
        FAST_COMMIT = 0x400 "fast_commit",
        /// Inode numbers must never change.
        STABLE_INODES = 0x800 "stable_inodes",
        /// A file holds the orphan inodes.
        ORPHAN_FILE = 0x1000 "orphan_file",
    }

    pub(super) const ALL: &[(u32, &str)] = NAMES;
}

/// `s_feature_incompat`.
pub mod incompat {
    bits! { NAMES:
        /// Compressed files, never merged.
        COMPRESSION = 0x1 "compression",
        /// Directory entries tell the kind of file.
        FILETYPE = 0x2 "filetype",
        /// The journal must be replayed.
        RECOVER = 0x4 "needs_recovery",
        /// This is no file system but a journal.
        JOURNAL_DEV = 0x8 "journal_dev",
        /// Group descriptors are spread over the groups.
        META_BG = 0x10 "meta_bg",
        /// Files may use extents.
        EXTENTS = 0x40 "extent",
        /// 64-bit block numbers, 64-byte descriptors.
        SIXTY_FOUR_BIT = 0x80 "64bit",
        /// Protection against mounting twice.
        MMP = 0x100 "mmp",
        /// Bitmaps and inode tables may lie outside of their group.
        FLEX_BG = 0x200 "flex_bg",
        /// Long attribute values live in inodes of their own.
        EA_INODE = 0x400 "ea_inode",
        /// Directory entries carry more than names.
        DIRDATA = 0x1000 "dirdata",
        /// The checksum seed is stored, the UUID may change.
        CSUM_SEED = 0x2000 "metadata_csum_seed",
        /// Directories over 2 GiB or with three levels of hash tree.
        LARGEDIR = 0x4000 "large_dir",
        /// Small files live in their inodes.
        INLINE_DATA = 0x8000 "inline_data",
        /// Encrypted directories.
        ENCRYPT = 0x1_0000 "encrypt",
        /// Case-insensitive directories.
        CASEFOLD = 0x2_0000 "casefold",
    }

    pub(super) const ALL: &[(u32, &str)] = NAMES;
}

/// `s_feature_ro_compat`.
pub mod ro_compat {
    bits! { NAMES:
        /// Only some groups have backups of the superblock.
        SPARSE_SUPER = 0x1 "sparse_super",
        /// A file over 2 GiB exists.
        LARGE_FILE = 0x2 "large_file",
        /// Never in any release.
        BTREE_DIR = 0x4 "btree_dir",
        /// Files over 2 TiB.
        HUGE_FILE = 0x8 "huge_file",
        /// Group descriptors have a CRC16 and groups may be uninitialised.
        GDT_CSUM = 0x10 "uninit_bg",
        /// Directories may have more than 65,000 subdirectories.
        DIR_NLINK = 0x20 "dir_nlink",
        /// Large inodes hold more fields.
        EXTRA_ISIZE = 0x40 "extra_isize",
        /// Snapshots, never merged.
        HAS_SNAPSHOT = 0x80 "snapshot",
        /// Quotas are kept as metadata.
        QUOTA = 0x100 "quota",
        /// Blocks are allocated in clusters.
        BIGALLOC = 0x200 "bigalloc",
        /// All metadata has checksums.
        METADATA_CSUM = 0x400 "metadata_csum",
        /// Never in any release.
        REPLICA = 0x800 "replica",
        /// Must never be written.
        READONLY = 0x1000 "read-only",
        /// Project quotas.
        PROJECT = 0x2000 "project",
        /// Files may share blocks; only Android makes these.
        SHARED_BLOCKS = 0x4000 "shared_blocks",
        /// Files with fs-verity.
        VERITY = 0x8000 "verity",
        /// The orphan file holds entries.
        ORPHAN_PRESENT = 0x1_0000 "orphan_present",
    }

    pub(super) const ALL: &[(u32, &str)] = NAMES;
}

/// The three words of feature bits of a superblock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Bits of [`compat`].
    pub compat: u32,
    /// Bits of [`incompat`].
    pub incompat: u32,
    /// Bits of [`ro_compat`].
    pub ro_compat: u32,
}

/// Incompatible features without which reading would be wrong and which the reader does not know. (Encrypted,
/// inline and case-insensitive inodes are told apart file by file.)
const UNREADABLE: u32 = incompat::COMPRESSION | incompat::JOURNAL_DEV | incompat::META_BG | incompat::DIRDATA;

/// Features that the checker follows; with any other it would call good file systems corrupt.
const CHECKABLE: Features = Features {
    compat: compat::DIR_PREALLOC
        | compat::HAS_JOURNAL
        | compat::EXT_ATTR
        | compat::RESIZE_INODE
        | compat::DIR_INDEX
        | compat::FAST_COMMIT
        | compat::STABLE_INODES
        | compat::ORPHAN_FILE,
    incompat: incompat::FILETYPE
        | incompat::RECOVER
        | incompat::EXTENTS
        | incompat::SIXTY_FOUR_BIT
        | incompat::FLEX_BG
        | incompat::CSUM_SEED,
    ro_compat: ro_compat::SPARSE_SUPER
        | ro_compat::LARGE_FILE
        | ro_compat::HUGE_FILE
        | ro_compat::GDT_CSUM
        | ro_compat::DIR_NLINK
        | ro_compat::EXTRA_ISIZE
        | ro_compat::METADATA_CSUM
        | ro_compat::ORPHAN_PRESENT,
};

impl Features {
    /// Whether all these bits of [`compat`] are set.
    pub fn has_compat(self, bits: u32) -> bool {
        self.compat & bits == bits
    }

    /// Whether all these bits of [`incompat`] are set.
    pub fn has_incompat(self, bits: u32) -> bool {
        self.incompat & bits == bits
    }

    /// Whether all these bits of [`ro_compat`] are set.
    pub fn has_ro_compat(self, bits: u32) -> bool {
        self.ro_compat & bits == bits
    }

    /// The names of all features, in the order of the bits; unknown ones as `incompat 0x800`.
    pub fn names(self) -> Vec<String> {
        let words = [
            ("compat", self.compat, compat::ALL),
            ("incompat", self.incompat, incompat::ALL),
            ("ro_compat", self.ro_compat, ro_compat::ALL),
        ];
        words.iter().flat_map(|(word, bits, names)| names_of(word, *bits, names)).collect()
    }

    /// Refuses what cannot be read.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with the names of the features.
    pub fn require_readable(self) -> Result<(), Error> {
        let known = incompat::ALL.iter().fold(0, |all, (bit, _)| all | bit);
        refuse(Self { incompat: self.incompat & (!known | UNREADABLE), ..Self::default() })
    }

    /// Refuses what the checker does not follow.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with the names of the features.
    pub fn require_checkable(self) -> Result<(), Error> {
        refuse(Self {
            compat: self.compat & !CHECKABLE.compat,
            incompat: self.incompat & !CHECKABLE.incompat,
            ro_compat: self.ro_compat & !CHECKABLE.ro_compat,
        })
    }

    /// Refuses what must not be edited: all that the checker cannot judge afterwards, fast commits (an editor
    /// that writes the journal would have to keep out of their area), group checksums of the old kind, and
    /// file systems of before extents. The transient bits `needs_recovery` and `orphan_present` are for
    /// [`Superblock::require_clean`](super::Superblock::require_clean).
    ///
    /// # Errors
    /// [`Error::Unsupported`] with the names of the features.
    pub fn require_editable(self) -> Result<(), Error> {
        self.require_checkable()?;
        refuse(Self { compat: self.compat & compat::FAST_COMMIT, ..Self::default() })?;
        if !self.has_ro_compat(ro_compat::METADATA_CSUM) {
            refuse(Self { ro_compat: self.ro_compat & ro_compat::GDT_CSUM, ..Self::default() })?;
        }
        let needed = incompat::FILETYPE | incompat::EXTENTS;
        match names_of("incompat", needed & !self.incompat, incompat::ALL).as_slice() {
            [] => Ok(()),
            missing => Err(Error::Unsupported(format!("no `{}`", missing.join("`, no `")))),
        }
    }
}

fn refuse(unwanted: Features) -> Result<(), Error> {
    match unwanted.names().as_slice() {
        [] => Ok(()),
        names => Err(Error::Unsupported(format!("`{}`", names.join("`, `")))),
    }
}

fn names_of(word: &str, bits: u32, names: &[(u32, &str)]) -> Vec<String> {
    let set = (0..u32::BITS).map(|shift| 1 << shift).filter(|bit| bits & bit != 0);
    set.map(|bit| match names.iter().find(|(known, _)| *known == bit) {
        Some((_, name)) => (*name).to_owned(),
        None => format!("{word} {bit:#x}"),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PI_OS: Features = Features { compat: 0x103c, incompat: 0x2242, ro_compat: 0x463 };

    fn refusal(result: Result<(), Error>) -> String {
        match result {
            Err(Error::Unsupported(names)) => names,
            other => panic!("expected a refusal, got {other:?}"),
        }
    }

    #[test]
    fn raspberry_pi_os_is_editable() {
        assert!(PI_OS.require_readable().is_ok());
        assert!(PI_OS.require_editable().is_ok());
        assert_eq!(
            PI_OS.names().join(" "),
            "has_journal ext_attr resize_inode dir_index orphan_file filetype extent flex_bg metadata_csum_seed \
             sparse_super large_file dir_nlink extra_isize metadata_csum"
        );
    }

    #[test]
    fn unknown_bits_are_refused_by_number() {
        let incompat = Features { incompat: PI_OS.incompat | 0x800 | 0x8000_0000, ..PI_OS };
        assert_eq!(refusal(incompat.require_readable()), "`incompat 0x800`, `incompat 0x80000000`");
        let ro_compat = Features { ro_compat: PI_OS.ro_compat | 0x2_0000, ..PI_OS };
        assert!(ro_compat.require_readable().is_ok());
        assert_eq!(refusal(ro_compat.require_editable()), "`ro_compat 0x20000`");
        let compat = Features { compat: PI_OS.compat | 0x2000, ..PI_OS };
        assert!(compat.require_readable().is_ok());
        assert_eq!(refusal(compat.require_editable()), "`compat 0x2000`");
    }

    #[test]
    fn what_cannot_be_edited_is_named() {
        let with_compat = |bit| Features { compat: PI_OS.compat | bit, ..PI_OS };
        let with_incompat = |bit| Features { incompat: PI_OS.incompat | bit, ..PI_OS };
        let with_ro_compat = |bit| Features { ro_compat: PI_OS.ro_compat | bit, ..PI_OS };
        let table = [
            (with_compat(compat::SPARSE_SUPER2), "`sparse_super2`"),
            (with_compat(compat::FAST_COMMIT), "`fast_commit`"),
            (with_incompat(incompat::META_BG), "`meta_bg`"),
            (with_incompat(incompat::MMP), "`mmp`"),
            (with_incompat(incompat::EA_INODE), "`ea_inode`"),
            (with_incompat(incompat::DIRDATA), "`dirdata`"),
            (with_incompat(incompat::LARGEDIR), "`large_dir`"),
            (with_incompat(incompat::INLINE_DATA), "`inline_data`"),
            (with_incompat(incompat::ENCRYPT | incompat::CASEFOLD), "`encrypt`, `casefold`"),
            (with_ro_compat(ro_compat::QUOTA | ro_compat::PROJECT), "`quota`, `project`"),
            (with_ro_compat(ro_compat::BIGALLOC), "`bigalloc`"),
            (with_ro_compat(ro_compat::VERITY), "`verity`"),
            (with_ro_compat(ro_compat::READONLY), "`read-only`"),
            (Features { ro_compat: ro_compat::GDT_CSUM, ..PI_OS }, "`uninit_bg`"),
            (Features { incompat: incompat::FILETYPE, ..PI_OS }, "no `extent`"),
        ];
        for (features, names) in table {
            assert_eq!(refusal(features.require_editable()), names);
        }
    }

    #[test]
    fn a_separate_journal_is_no_file_system() {
        let features = Features { incompat: incompat::JOURNAL_DEV, ..Features::default() };
        assert_eq!(refusal(features.require_readable()), "`journal_dev`");
    }
}
