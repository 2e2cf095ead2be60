//! How large a status becomes, and that it holds no value of an environment variable.
use super::*;

/// Sixty variables, as the larger installations have them.
fn enlarge(world: &mut World) {
    for node in &mut world.nodes {
        let template = &mut node.object["spec"]["template"];
        let environment = template["spec"]["containers"][0]["env"]
            .as_array_mut()
            .unwrap();
        for number in 0..60 {
            environment.push(serde_json::json!({
                "name": format!("OMS_SETTING_{number}"),
                "value": format!("literal-value-{number}-of-an-environment-that-may-be-a-password"),
            }));
        }
        node.before = template.to_string();
        node.replica_sets = vec![template.clone()];
        if let Some(pod) = &mut node.pod {
            pod.template = template.clone();
        }
    }
}

/// The largest status on a way, in bytes.
fn measure(targets: usize, trouble: Trouble, after: Option<Action>) -> usize {
    let mut world = World::new(targets, true, trouble);
    enlarge(&mut world);
    let mut most = 0;
    let mut parts = serde_json::Value::Null;
    let mut look = |world: &World| {
        let text = serde_json::to_string(&world.status).unwrap();
        assert!(!text.contains("literal-value"), "{text}");
        if text.len() > most {
            most = text.len();
            parts = serde_json::to_value(&world.status).unwrap();
        }
    };
    for action in [None, after] {
        if let Some(action) = action {
            world.ask(action);
        }
        for _ in 0..3000 {
            let moved = world.run_pass() | world.run_cluster();
            look(&world);
            if !moved {
                if world.is_at_rest() {
                    break;
                }
                world.clock += 100;
            }
        }
        assert!(world.is_at_rest());
    }
    let sizes = parts.as_object().unwrap().iter();
    let mut sizes: Vec<(usize, &str)> = sizes
        .map(|(name, value)| (value.to_string().len(), name.as_str()))
        .collect();
    sizes.sort_unstable_by(|one, other| other.cmp(one));
    sizes.truncate(6);
    println!("{targets}: {most} bytes, of which {sizes:?}");
    most
}

#[test]
fn a_status_is_small_and_holds_no_value_of_the_environment() {
    for (trouble, after) in [
        (Trouble::default(), None),
        (Trouble::default(), Some(Action::RollBack)),
        (
            Trouble {
                init_fails: true,
                ..Trouble::default()
            },
            None,
        ),
        (
            Trouble {
                init_silent: true,
                ..Trouble::default()
            },
            None,
        ),
    ] {
        let [one, two, five] = [1, 2, 5].map(|targets| measure(targets, trouble, after));
        println!("{trouble:?} {after:?}: {one}, {two}, {five} bytes");
        assert!(one <= 8 * 1024, "{one} bytes");
        assert!(
            five.saturating_sub(one) / 4 <= 1024,
            "{one}, {two}, {five} bytes"
        );
    }
}
