//! The boot sector (BPB) of a FAT32 volume.

use super::error::Error;
use crate::block::BlockRead;

/// Clusters that we keep a table of in memory: 64 MiB, for 8 GiB in clusters of one sector or 512 GiB in
/// clusters of 32 KiB. A boot partition has less than a tenth of that.
const MAX_CLUSTERS: u64 = 1 << 24;

/// Where things are on a FAT32 volume; every range is inside the device.
#[derive(Debug, Clone)]
pub(super) struct BootSector {
    /// Bytes of a cluster.
    pub(super) cluster_size: u32,
    /// Number of data clusters; they count from 2 on.
    pub(super) clusters: u32,
    /// First byte of the first FAT.
    pub(super) fat_start: u64,
    /// Bytes from one FAT to the next.
    pub(super) fat_size: u64,
    /// Number of FATs, 1 or 2.
    pub(super) fats: u8,
    /// First byte of cluster 2.
    pub(super) data_start: u64,
    /// First cluster of the root directory.
    pub(super) root_cluster: u32,
    /// First byte of the FSInfo sector.
    pub(super) fs_info: Option<u64>,
    /// The media byte, which FAT entry 0 repeats.
    pub(super) media: u8,
    /// Whether the last mount did not end (bit 0 of `BS_Reserved1`, as Linux and Windows set it).
    pub(super) dirty: bool,
}

/// The fields of a sector, by offset.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn u8(&self, at: usize) -> u8 {
        self.0.get(at).copied().unwrap_or_default()
    }

    fn u16(&self, at: usize) -> u16 {
        let bytes = self.0.get(at..).and_then(|rest| rest.first_chunk());
        u16::from_le_bytes(bytes.copied().unwrap_or_default())
    }

    fn u32(&self, at: usize) -> u32 {
        let bytes = self.0.get(at..).and_then(|rest| rest.first_chunk());
        u32::from_le_bytes(bytes.copied().unwrap_or_default())
    }
}

fn corrupt(problem: impl Into<String>) -> Error {
    Error::Corrupt(problem.into())
}

impl BootSector {
    /// Reads and checks the first sector of `device`.
    pub(super) fn read(device: &dyn BlockRead) -> Result<Self, Error> {
        if device.len() < 512 {
            return Err(Error::NotFat("it is shorter than a sector"));
        }
        let mut sector = [0; 512];
        device.read_at(0, &mut sector)?;
        Self::parse(&sector, device.len())
    }

    fn parse(sector: &[u8; 512], device_len: u64) -> Result<Self, Error> {
        let fields = Fields(sector);
        check_kind(&fields)?;
        let (bytes_per_sector, sectors_per_cluster) = (u64::from(fields.u16(11)), u64::from(fields.u8(13)));
        let reserved = u64::from(fields.u16(14));
        let fats = fields.u8(16);
        let total = match fields.u16(19) {
            0 => u64::from(fields.u32(32)),
            total => u64::from(total),
        };
        let fat_sectors = u64::from(fields.u32(36));
        if reserved == 0 || !(1..=2).contains(&fats) || fat_sectors == 0 {
            return Err(corrupt(format!(
                "the boot sector names {reserved} reserved sectors and {fats} FATs of {fat_sectors} sectors"
            )));
        }
        if total * bytes_per_sector > device_len {
            return Err(corrupt(format!(
                "it has {total} sectors of {bytes_per_sector} bytes, but the partition has {device_len} bytes"
            )));
        }
        let data = reserved + u64::from(fats) * fat_sectors;
        let clusters = total.saturating_sub(data) / sectors_per_cluster;
        if clusters > MAX_CLUSTERS {
            return Err(Error::Unsupported(format!("it has {clusters} clusters, at most {MAX_CLUSTERS}")));
        }
        if clusters == 0 || (clusters + 2) * 4 > fat_sectors * bytes_per_sector {
            return Err(corrupt(format!("a FAT of {fat_sectors} sectors cannot be for {clusters} clusters")));
        }
        let root_cluster = fields.u32(44);
        if !(2..clusters + 2).contains(&u64::from(root_cluster)) {
            return Err(corrupt(format!("the root directory starts at cluster {root_cluster}")));
        }
        let narrow = |value: u64| u32::try_from(value).map_err(|_| corrupt("its clusters are too large"));
        Ok(Self {
            cluster_size: narrow(bytes_per_sector * sectors_per_cluster)?,
            clusters: narrow(clusters)?,
            fat_start: reserved * bytes_per_sector,
            fat_size: fat_sectors * bytes_per_sector,
            fats,
            data_start: data * bytes_per_sector,
            root_cluster,
            fs_info: fs_info(&fields, reserved)?.map(|sector| sector * bytes_per_sector),
            media: fields.u8(21),
            dirty: fields.u8(65) & 1 != 0,
        })
    }

    /// First byte of a data cluster.
    pub(super) fn cluster_offset(&self, cluster: u32) -> Option<u64> {
        let index = cluster.checked_sub(2).filter(|index| *index < self.clusters)?;
        Some(self.data_start + u64::from(index) * u64::from(self.cluster_size))
    }
}

/// Tells FAT32 from what it is not.
fn check_kind(fields: &Fields<'_>) -> Result<(), Error> {
    if fields.0.get(3..11) == Some(b"EXFAT   ") {
        return Err(Error::Unsupported("it is exFAT".into()));
    }
    if fields.u16(510) != 0xaa55 {
        return Err(Error::NotFat("the boot sector has no signature 55 aa"));
    }
    let (bytes_per_sector, sectors_per_cluster) = (fields.u16(11), fields.u8(13));
    if ![512, 1024, 2048, 4096].contains(&bytes_per_sector) || !sectors_per_cluster.is_power_of_two() {
        return Err(Error::NotFat("the boot sector names no sizes that FAT knows"));
    }
    if u32::from(bytes_per_sector) * u32::from(sectors_per_cluster) > 64 << 10 {
        return Err(Error::NotFat("its clusters are longer than 64 KiB"));
    }
    // as Linux does (fs/fat/inode.c); the count of clusters alone would call small FAT32 volumes FAT16
    if fields.u16(22) != 0 || fields.u16(17) != 0 {
        return Err(Error::Unsupported("it is FAT12 or FAT16, only FAT32 is known".into()));
    }
    if fields.u16(42) != 0 {
        return Err(Error::Unsupported(format!("its version is {:#06x}, only 0 is known", fields.u16(42))));
    }
    if fields.u16(40) & 0x80 != 0 {
        return Err(Error::Unsupported("its FATs are not kept equal".into()));
    }
    Ok(())
}

fn fs_info(fields: &Fields<'_>, reserved: u64) -> Result<Option<u64>, Error> {
    match fields.u16(48) {
        0 | 0xffff => Ok(None),
        sector if u64::from(sector) < reserved => Ok(Some(u64::from(sector))),
        sector => Err(corrupt(format!("FSInfo is at sector {sector}, behind {reserved} reserved sectors"))),
    }
}
