//! The kernel as a judge: loop mounts that are always taken down again. Root only.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use super::image::{Image, must, tool};
use super::model::Model;

/// A mounted image, unmounted when dropped.
pub struct Mount {
    image: String,
    point: PathBuf,
}

impl Mount {
    /// Mounts the first file system of `image`, or says why not.
    pub fn new(image: &Image, options: &str) -> Option<Self> {
        let point = image.directory.path().join("mount");
        fs::create_dir_all(&point).expect("a mount point");
        let text = point.to_str().expect("UTF-8");
        let options = format!("loop,offset=0,{options}");
        let output = tool("mount", &["-t", "ext4", "-o", &options, image.text(), text])?;
        if output.status.success() {
            return Some(Self { image: image.text().to_owned(), point });
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // without root there is no mount; with it, a refusal is a finding
        assert!(!is_root(), "the kernel refuses the image: {said}");
        super::skip("a loop mount");
        None
    }

    pub fn path(&self) -> &Path {
        &self.point
    }

    /// Everything inside.
    pub fn model(&self) -> Model {
        Model::load(&self.point)
    }

    /// Unmounts and fails where that fails.
    ///
    /// A mount namespace that somebody has made meanwhile keeps a copy of the mount, and its loop device. Whoever mounts the
    /// file again before that is gone sees what the kernel remembers, and not what was written to the file since.
    pub fn unmount(self) {
        must("umount", &[self.point.to_str().expect("UTF-8")]);
        for _ in 0..1200 {
            if must("losetup", &["--associated", &self.image]).is_empty() {
                return;
            }
            sleep(Duration::from_millis(50));
        }
        panic!("another mount namespace holds `{}`: run this test when that has ended", self.image);
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // after `unmount` there is nothing left to do, and the tool just says so
        let _ = tool("umount", &[self.point.to_str().unwrap_or_default()]);
    }
}

fn is_root() -> bool {
    must("id", &["-u"]).trim() == "0"
}
