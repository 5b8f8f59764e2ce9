//! The kernel as a judge: loop mounts that are always taken down again. Root only.

use std::fs;
use std::path::{Path, PathBuf};

use super::image::{Image, must, tool};
use super::model::Model;

/// A mounted image, unmounted when dropped.
pub struct Mount {
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
            return Some(Self { point });
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
    pub fn unmount(self) {
        must("umount", &[self.point.to_str().expect("UTF-8")]);
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
