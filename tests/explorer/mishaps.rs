//! One bad thing that nobody asked for, in each step.
use super::explore::Limits;
use super::walk::{AFTER_THE_LINE, explore, setup, walk_through};
use super::world::{Setup, Trouble, World};

#[test]
fn sample_of_mishaps() {
    let steps: Vec<&str> = ["Locking", "StoppingOld", "BackingUp", "VerifyingBackup"]
        .into_iter()
        .chain(AFTER_THE_LINE)
        .collect();
    let mut starts = walk_through(World::new(1, Setup::default()), &steps);
    let rollback = Trouble {
        init_fails: true,
        ..Trouble::default()
    };
    starts.extend(walk_through(
        World::new(1, setup(rollback)),
        &["Comparing", "Restoring", "StartingOld"],
    ));
    for world in &mut starts {
        world.mishaps = 1;
    }
    explore(
        "mishaps",
        starts,
        Limits {
            worlds: Some(1000),
            every_fault: false,
        },
    );
}
