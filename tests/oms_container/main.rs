//! The scripts that run inside an OMS container, run for real by bash in a temporary folder with a
//! stand-in for `docker_init.sh`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod attempts;
mod completion;
mod node;
mod places;
mod terminal;
