//! From packages to a package: the build itself, in namespaces of its own.

use std::path::{Path, PathBuf};

use super::elf::KernelModule;
use super::tools::Machine;

/// What is built, of which packages.
#[derive(Debug)]
pub struct Recipe<'a> {
    /// The kernel's release, such as `6.12.47+rpt-rpi-v8`.
    pub kernel: &'a str,
    /// Version of the package of that kernel.
    pub kernel_version: &'a str,
    /// Version of the sources' package.
    pub zfs: &'a str,
    /// The kernel's own compiler, such as `gcc-14`.
    pub compiler: &'a str,
    /// This machine.
    pub machine: Machine,
    /// The file of the package with the sources of ZFS.
    pub source: PathBuf,
    /// The file of the package with the kernel's headers.
    pub headers: PathBuf,
    /// The name of the package with the headers that all flavours of the kernel share.
    pub common: &'a str,
    /// Files of all other packages that are unpacked.
    pub tools: Vec<PathBuf>,
    /// The name of the package with the programs of kbuild that the headers ask for, and of the one that is there.
    pub kbuild: (String, &'a str),
    /// What a module of the image's own says; `None` where it has none.
    pub own: Option<KernelModule>,
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use super::*;
    use crate::failure::Failure;
    use crate::module::error::ModuleError;
    use crate::progress::Reporter;

    /// Builds nothing: only Linux does.
    ///
    /// # Errors
    /// Always.
    pub fn build(_: &Recipe<'_>, _: &Path, _: &dyn Reporter) -> Result<Vec<u8>, Failure> {
        Err(ModuleError::NotLinux.into())
    }
}

#[cfg(not(target_os = "linux"))]
pub use elsewhere::build;
#[cfg(target_os = "linux")]
pub use linux::build;

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::{BTreeMap, VecDeque};

    use pimg_deb::package::Package;

    use super::*;
    use crate::failure::{Class, Failure};
    use crate::host::inside::{Inside, Mount};
    use crate::host::namespace::{self, Ids};
    use crate::host::root_tree::RootTree;
    use crate::host::{env, files};
    use crate::module::check::{Expected, headers_fit};
    use crate::module::error::ModuleError;
    use crate::module::pack::{Finished, MODULES};
    use crate::module::{symvers, tools};
    use crate::progress::{Reporter, TaskId};

    /// Longest package that is unpacked, in bytes.
    const LONGEST: u64 = 1 << 30;

    /// Lines that are kept of what a build says, for who has to find out why it failed.
    const LINES: usize = 40;

    const SCRIPT: &str = include_str!("build.sh");

    /// Builds the modules, and packs them: the package as a file. Work files lie in `directory`, 600 MiB of them, and are
    /// gone afterwards.
    ///
    /// # Errors
    /// A package is damaged, this machine has no namespaces, the sources do not compile, what came out does not fit the
    /// kernel, or the person asked to stop.
    pub fn build(recipe: &Recipe<'_>, directory: &Path, reporter: &dyn Reporter) -> Result<Vec<u8>, Failure> {
        let source = read(&recipe.source)?;
        let sources = Sources::of(recipe.zfs, &source)?;
        let headers = read(&recipe.headers)?;
        let kernel_symbols = kernel_symbols(recipe, &headers)?;
        let tree = unpack_all(recipe, &source, &headers, directory, reporter)?;
        compile(recipe, &tree, &sources, reporter)?;
        let mut symbols = symvers::parse(&String::from_utf8_lossy(&tree.read("build/Module.symvers")?));
        symbols.extend(symvers::parse(&String::from_utf8_lossy(&kernel_symbols)));
        let expected = Expected { kernel: recipe.kernel, own: recipe.own.as_ref(), symbols: &symbols };
        let mut modules = BTreeMap::new();
        for module in MODULES {
            let bytes = tree.read(&format!("build/{module}.ko"))?;
            expected.accept(&format!("{module}.ko"), &bytes)?;
            modules.insert(module, bytes);
        }
        let finished = Finished {
            kernel: recipe.kernel,
            kernel_version: recipe.kernel_version,
            zfs: recipe.zfs,
            mtime: sources.mtime,
            modules,
            copyright: sources.copyright,
        };
        Ok(finished.pack()?)
    }

    /// What is known of the sources before they are compiled.
    struct Sources {
        /// Time of `META`, in seconds since 1970.
        mtime: u64,
        /// How many files are compiled, about.
        units: usize,
        copyright: Vec<u8>,
    }

    impl Sources {
        fn of(version: &str, bytes: &[u8]) -> Result<Self, ModuleError> {
            let name = format!("zfs-dkms {version}");
            let damaged = |source| ModuleError::Package { name: name.clone(), source };
            let package = Package::open(bytes).map_err(damaged)?;
            let (mut mtime, mut units) = (None, 0);
            for file in package.files().map_err(damaged)? {
                let file = file.map_err(damaged)?;
                if file.path.starts_with("usr/src/zfs-") && file.path.ends_with("/META") {
                    mtime = Some(file.mtime);
                }
                units += usize::from(file.path.contains("/module/") && file.path.ends_with(".c"));
            }
            let no_file =
                || ModuleError::NoFile { name: name.clone(), path: "usr/src/zfs-*/META".to_owned() };
            let copyright = package.read_file("usr/share/doc/zfs-dkms/copyright").map_err(damaged)?;
            Ok(Self { mtime: mtime.ok_or_else(no_file)?, units, copyright: copyright.unwrap_or_default() })
        }
    }

    /// `Module.symvers` of the headers, which have to be those of the image's kernel.
    fn kernel_symbols(recipe: &Recipe<'_>, headers: &[u8]) -> Result<Vec<u8>, ModuleError> {
        let name = format!("linux-headers-{}", recipe.kernel);
        let path = format!("usr/src/{name}/Module.symvers");
        let damaged = |source| ModuleError::Package { name: name.clone(), source };
        let found = Package::open(headers).and_then(|package| package.read_file(&path)).map_err(damaged)?;
        let found = found.ok_or_else(|| ModuleError::NoFile { name: name.clone(), path })?;
        if let Some(own) = recipe.own.as_ref().filter(|own| own.has_versions()) {
            headers_fit(recipe.kernel, own, &found)?;
        }
        Ok(found)
    }

    fn read(path: &Path) -> Result<Vec<u8>, Failure> {
        let bytes = files::read_optional(path, LONGEST)?;
        let gone = || Failure::new(Class::Host, format!("`{}` is gone from the cache", path.display()));
        bytes.ok_or_else(gone)
    }

    fn unpack_all(
        recipe: &Recipe<'_>,
        source: &[u8],
        headers: &[u8],
        directory: &Path,
        reporter: &dyn Reporter,
    ) -> Result<RootTree, Failure> {
        let task = reporter.begin_many("unpacking the compiler", recipe.tools.len() + 2, None);
        let tree = RootTree::new(directory)?;
        tools::lay_out(&tree)?;
        for tool in &recipe.tools {
            if reporter.interrupted() {
                return Err(Failure::interrupted());
            }
            tools::unpack(&tree, &tool.display().to_string(), &read(tool)?)?;
            reporter.part_done(task);
        }
        for (name, bytes) in [("zfs-dkms", source), ("linux-headers", headers)] {
            tools::unpack(&tree, name, bytes)?;
            reporter.part_done(task);
        }
        tools::finish(&tree)?;
        let (asked, there) = &recipe.kbuild;
        if asked != there {
            tree.symlink(&format!("usr/lib/{asked}"), there)?;
        }
        tree.file("build/build.sh", 0o755, 0, SCRIPT.as_bytes())?;
        reporter.finish(task, &format!("{} packages", recipe.tools.len() + 2));
        Ok(tree)
    }

    fn compile(
        recipe: &Recipe<'_>,
        tree: &RootTree,
        sources: &Sources,
        reporter: &dyn Reporter,
    ) -> Result<(), Failure> {
        let program = env::program()
            .map_err(|error| Failure::caused_by(Class::Host, "cannot find the file of pimg itself", error))?;
        let mut said = VecDeque::new();
        let mut progress = Progress::new(recipe, sources.units, reporter);
        let mut hear = |line: &str| {
            progress.hear(line);
            if said.len() == LINES {
                said.pop_front();
            }
            said.push_back(line.to_owned());
        };
        let status =
            namespace::run(&program, Ids::One, &job(recipe, tree, sources.mtime), &mut hear, &|| {
                reporter.interrupted()
            })?;
        progress.end(status.success());
        if status.success() {
            return Ok(());
        }
        let (zfs, kernel) = (recipe.zfs.to_owned(), recipe.kernel.to_owned());
        let status = status.code().map_or_else(|| "killed".to_owned(), |code| code.to_string());
        Err(ModuleError::Build { zfs, kernel, status, said: said.into() }.into())
    }

    fn job(recipe: &Recipe<'_>, tree: &RootTree, mtime: u64) -> Inside {
        let Recipe { kernel, compiler, machine, common, .. } = recipe;
        let (headers, common) = (format!("/usr/src/linux-headers-{kernel}"), format!("/usr/src/{common}"));
        let jobs = env::cores().to_string();
        let command = [
            "/bin/sh",
            "/build/build.sh",
            machine.gnu,
            Machine::TARGET.gnu,
            *compiler,
            headers.as_str(),
            common.as_str(),
            jobs.as_str(),
        ];
        let epoch = mtime.to_string();
        let variables = [
            ("PATH", "/usr/bin"),
            ("HOME", "/build"),
            ("SHELL", "/bin/sh"),
            ("LC_ALL", "C"),
            ("TZ", "UTC0"),
            ("SOURCE_DATE_EPOCH", epoch.as_str()),
        ];
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Inside {
            work: PathBuf::from("/"),
            hostname: "pimg".to_owned(),
            mounts: vec![
                Mount::Devices { to: tree.path().join("dev") },
                Mount::Tmpfs { to: tree.path().join("tmp"), mode: 0o1777 },
            ],
            root: tree.path().to_path_buf(),
            command: command.map(str::to_owned).to_vec(),
            environment: variables.map(owned).into(),
            task: String::new(),
        }
    }

    /// What of the build is under way, by what it says: first hundreds of questions about the kernel, then a line for each
    /// file.
    struct Progress<'a> {
        reporter: &'a dyn Reporter,
        kernel: &'a str,
        units: usize,
        task: TaskId,
        compiles: bool,
    }

    impl<'a> Progress<'a> {
        fn new(recipe: &Recipe<'a>, units: usize, reporter: &'a dyn Reporter) -> Self {
            let task = reporter.begin(&format!("looking at the kernel {}", recipe.kernel), None);
            Self { reporter, kernel: recipe.kernel, units, task, compiles: false }
        }

        fn hear(&mut self, line: &str) {
            if !line.trim_start().starts_with("CC [M]") {
                return;
            }
            if !self.compiles {
                self.reporter.finish(self.task, "");
                let name = format!("compiling zfs for {}", self.kernel);
                self.task = self.reporter.begin_many(&name, self.units, None);
                self.compiles = true;
            }
            self.reporter.part_done(self.task);
        }

        fn end(&self, is_done: bool) {
            self.reporter.finish(self.task, if is_done { "" } else { "failed" });
        }
    }
}
