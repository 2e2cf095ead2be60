//! The explorations to the very end; not part of `make test`.
use super::explore::Limits;
use super::walk::{explore, setup};
use super::world::{Asks, Setup, Trouble, World};

/// Everything that can be reached: with every fault at every call of every world, one mishap, and
/// every request at every moment. Minutes to hours: run it optimised (see docs/testing-explorer.md).
const FIXPOINT: Limits = Limits {
    worlds: None,
    every_fault: true,
};

#[test]
#[ignore = "the fixpoint: cargo test --release --test explorer fixpoint -- --ignored"]
fn fixpoint_of_success_abort_rollback_and_deletion() {
    for ha_off in [false, true] {
        let mut world = World::new(
            1,
            Setup {
                ha_off,
                ..Setup::default()
            },
        );
        world.asks = Asks {
            abort: true,
            roll_back: true,
            delete: true,
            retry: true,
            git: super::world::Git::Nothing,
        };
        let findings = explore("requests", vec![world], FIXPOINT);
        assert!(findings.complete);
    }
}

#[test]
#[ignore = "the fixpoint: cargo test --release --test explorer fixpoint -- --ignored"]
fn fixpoint_of_failing_upgrades() {
    for trouble in [
        Trouble {
            init_fails: true,
            ..Trouble::default()
        },
        Trouble {
            init_silent: true,
            ..Trouble::default()
        },
        Trouble {
            init_lies: true,
            ..Trouble::default()
        },
        Trouble {
            init_kills: true,
            ..Trouble::default()
        },
        Trouble {
            unpullable: true,
            ..Trouble::default()
        },
        Trouble {
            console_dead: true,
            ..Trouble::default()
        },
        Trouble {
            programs_need_init: true,
            ..Trouble::default()
        },
        Trouble {
            write_back: true,
            ..Trouble::default()
        },
    ] {
        let mut world = World::new(1, setup(trouble));
        world.asks.retry = trouble.init_silent || trouble.init_lies;
        let findings = explore("trouble", vec![world], FIXPOINT);
        assert!(findings.complete);
    }
}

#[test]
#[ignore = "the fixpoint: cargo test --release --test explorer fixpoint -- --ignored"]
fn fixpoint_of_one_mishap() {
    for trouble in [
        Trouble::default(),
        Trouble {
            init_fails: true,
            ..Trouble::default()
        },
    ] {
        let mut world = World::new(1, setup(trouble));
        world.mishaps = 1;
        let findings = explore(
            "mishap",
            vec![world],
            Limits {
                worlds: None,
                every_fault: false,
            },
        );
        assert!(findings.complete);
    }
}

#[test]
#[ignore = "the fixpoint: cargo test --release --test explorer fixpoint -- --ignored"]
fn fixpoint_of_late_requests() {
    for trouble in [
        Trouble::default(),
        Trouble {
            init_fails: true,
            ..Trouble::default()
        },
    ] {
        let mut world = World::new(1, setup(trouble));
        world.delays = 1;
        world.asks = Asks {
            abort: true,
            roll_back: true,
            ..Asks::default()
        };
        let limits = Limits {
            worlds: None,
            every_fault: false,
        };
        let findings = explore("late requests", vec![world], limits);
        assert!(findings.complete);
    }
}
