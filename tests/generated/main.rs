//! What is generated and checked in must be what the sources say.
mod rules;
mod schema;

use oms_operator::api::build_crd;

#[test]
fn the_definition_is_up_to_date() {
    let fresh = serde_saphyr::to_string(&build_crd()).unwrap();
    let stored = include_str!("../../crds/omsupgrades.oms.oceanbase.com.yaml");
    assert!(
        fresh == stored,
        "crds/omsupgrades.oms.oceanbase.com.yaml differs from the Rust types; run scripts/generate.sh"
    );
}
