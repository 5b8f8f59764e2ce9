//! What cannot work is refused before anything is compiled, and with the mend.

use crate::world::World;

#[test]
fn sources_that_do_not_know_the_kernel_are_refused() {
    let Some(world) = World::new("5.10") else { return };
    let output = world.run(&["lock", "--profile", "node"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(6), "{told}");
    for part in ["zfs-dkms 2.4.4-1 builds on kernels up to 5.10", "the image starts 6.", "hint: "] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!world.project.join("pimg.lock").exists(), "nothing was locked");
}
