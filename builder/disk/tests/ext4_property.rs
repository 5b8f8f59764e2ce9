//! Random edits against a model: whatever succeeds in one succeeds in the other, and the trees end up the same.

mod ext4_support;

use std::sync::Arc;

use ext4_support::CLOCK;
use ext4_support::image::Image;
use ext4_support::model::Model;
use ext4_support::op::{Op, plain, refusal};
use pimg_disk::block::{BlockWrite, MemoryDevice};
use pimg_disk::ext4::{Editor, Error, NodeKind, Reader, Timestamp, check, grow};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

const MIB: u64 = 1 << 20;

/// Few names, so that edits meet: files, directories, links that lead somewhere and nowhere.
fn path() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        4 => Just("a".to_owned()),
        4 => Just("b".to_owned()),
        2 => Just("link".to_owned()),
        1 => Just("n".repeat(255)),
        1 => (0..40_u32).prop_map(|number| format!("many-{number}")),
    ];
    prop::collection::vec(name, 1..4).prop_map(|names| format!("/{}", names.join("/")))
}

fn attributes() -> impl Strategy<Value = pimg_disk::ext4::Attributes> {
    (0..0o10_000_u16, any::<u16>(), 0..u32::MAX, -1_000_000_000..10_737_418_240_i64).prop_map(
        |(mode, uid, gid, seconds)| pimg_disk::ext4::Attributes {
            uid: uid.into(),
            gid,
            mtime: Timestamp { seconds, nanoseconds: u32::from(uid) * 10_000 },
            ..plain(mode)
        },
    )
}

fn op() -> impl Strategy<Value = Op> {
    let len = prop_oneof![Just(0_usize), 1..100_usize, Just(4096), 1..300_000_usize];
    let target = prop_oneof![path(), Just("a".to_owned()), Just("../b".to_owned()), "[x/]{1,200}"];
    let small = (0..300_u32, 0..100_000_u32);
    prop_oneof![
        4 => (path(), attributes(), any::<u64>(), len).prop_map(|(p, a, seed, len)| Op::Create(p, a, seed, len)),
        2 => (path(), any::<u64>(), 0..20_000_usize).prop_map(|(p, seed, len)| Op::Append(p, seed, len)),
        4 => (path(), attributes()).prop_map(|(p, a)| Op::Mkdir(p, a)),
        2 => (path(), target, attributes()).prop_map(|(p, t, a)| Op::Symlink(p, t, a)),
        2 => (path(), path()).prop_map(|(from, to)| Op::Link(from, to)),
        1 => (path(), small, attributes())
            .prop_map(|(p, (major, minor), a)| Op::Mknod(p, NodeKind::BlockDevice { major, minor }, a)),
        3 => (path(), path()).prop_map(|(from, to)| Op::Rename(from, to)),
        2 => path().prop_map(Op::Remove),
        1 => path().prop_map(Op::RemoveAll),
        1 => (path(), 0..0o10_000_u16).prop_map(|(p, mode)| Op::Chmod(p, mode)),
        1 => (path(), any::<u16>(), any::<u16>()).prop_map(|(p, uid, gid)| Op::Chown(p, uid.into(), gid.into())),
        1 => (path(), -9..9_i64).prop_map(|(p, s)| Op::Times(p, Timestamp::at(s), Timestamp::at(s * 1_000_000_000))),
        2 => (path(), "trusted[.][a-c]", prop::collection::vec(any::<u8>(), 0..900))
            .prop_map(|(p, name, value)| Op::Xattr(p, name, value)),
        1 => (path(), "trusted[.][a-c]").prop_map(|(p, name)| Op::RemoveXattr(p, name)),
    ]
}

/// Does `ops` on both; the model alone says what may fail.
fn run(ops: &[Op], editor: &mut Editor, model: &mut Model) -> Result<(), TestCaseError> {
    for op in ops {
        let before = model.clone();
        let imagined = op.imagine(model);
        match (imagined, op.edit(editor)) {
            (Ok(()), Ok(())) => {}
            // attributes of one file that do not fit a block
            (Ok(()), Err(Error::NoSpace(_))) if matches!(op, Op::Xattr(..)) => *model = before,
            (Err(refused), Err(error)) => prop_assert_eq!(refused, refusal(&error), "{:?}: {}", op, error),
            (imagined, edited) => prop_assert!(false, "{op:?}: imagined {imagined:?}, got {edited:?}"),
        }
    }
    Ok(())
}

/// Damage where checksums do not see it: some bytes of the first blocks, most of which hold metadata.
fn damage() -> impl Strategy<Value = Vec<(usize, u8)>> {
    prop::collection::vec((1024..700_000_usize, 1..=255_u8), 1..6)
}

#[test]
fn damaged_images_that_pass_our_check_are_edited_without_a_panic() {
    let Some(image) = Image::make(&["-b1024", "-N2048", "-O^metadata_csum,^64bit,^has_journal"], 24 * MIB)
    else {
        return;
    };
    let bytes = image.bytes();
    let ops: Vec<Op> = ext4_support::op::groups().into_iter().flat_map(|(_, ops)| ops).step_by(7).collect();
    let config = Config { cases: 150, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let result = runner.run(&damage(), |damage| {
        let mut bytes = bytes.clone();
        damage.iter().for_each(|(offset, flip)| bytes[*offset] ^= flip);
        let device = Arc::new(MemoryDevice::new(bytes));
        let passes = Reader::open(&device).is_ok_and(|reader| check(&reader, &mut |_, _| {}).is_ok());
        let Ok(mut editor) = Editor::open(Arc::<MemoryDevice>::clone(&device), CLOCK) else { return Ok(()) };
        for op in &ops {
            let stopped =
                matches!(op.edit(&mut editor), Err(Error::Corrupt(problem)) if problem.contains("stopped"));
            prop_assert!(!(passes && stopped), "{:?} on an image that passed", op);
        }
        // what did not pass may be refused or edited, but neither hangs nor ends the process
        if passes {
            editor.finish().expect("finishes");
            let reader = Reader::open(&device).expect("still a file system");
            check(&reader, &mut |_, _| {}).expect("still a good one");
        }
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn random_edits_do_what_the_model_does() {
    let features = ["-b1024", "-O^64bit,^has_journal,^resize_inode"];
    let kinds = [&features[..], &["-b4096", "-O^64bit,^huge_file,metadata_csum_seed,orphan_file"][..]];
    for features in kinds {
        let Some(image) = Image::make_empty(features, 24 * MIB) else { return };
        let fresh = Model::read(image.device());
        let bytes = image.bytes();
        let config = Config { cases: 32, failure_persistence: None, ..Config::default() };
        let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
        let ops = prop::collection::vec(op(), 1..120);
        let result = runner.run(&(ops, any::<bool>()), |(ops, grown)| {
            let device = Arc::new(MemoryDevice::new(bytes.clone()));
            let mut model = fresh.clone();
            let (first, second) = ops.split_at(ops.len() / 2);
            let mut editor = Editor::open(Arc::<MemoryDevice>::clone(&device), CLOCK).expect("opens");
            run(first, &mut editor, &mut model)?;
            editor.finish().expect("finishes");
            let device: Arc<MemoryDevice> = if grown {
                let mut longer = device.to_vec();
                longer.resize(60 << 20, 0);
                let longer = Arc::new(MemoryDevice::new(longer));
                grow(&longer, 60 * MIB).expect("grows");
                longer
            } else {
                device
            };
            let again: Arc<dyn BlockWrite> = Arc::<MemoryDevice>::clone(&device);
            let mut editor = Editor::open(again, CLOCK).expect("opens");
            run(second, &mut editor, &mut model)?;
            editor.finish().expect("finishes");
            image.store(&device.to_vec());
            image.judge("random edits");
            model.assert_same(&Model::read(image.device()));
            Ok(())
        });
        result.unwrap_or_else(|failure| panic!("{failure}"));
    }
}
