//! Why nothing can be imported. Words name the place and never a value, which may be a secret.
use thiserror::Error;

/// What is wrong with what was given. Lines are counted from 1.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum ImportError {
    #[error(
        "nothing that runs a container was given: neither the JSON of `docker inspect NAME` nor a line with `docker run`"
    )]
    Nothing,
    #[error(
        "line {line}, column {column}: this is no JSON as `docker inspect NAME` prints it ({what}); give its whole output"
    )]
    Json {
        line: usize,
        column: usize,
        what: &'static str,
    },
    #[error(
        "{path}: this is not what `docker inspect NAME` prints there; give its whole output, as it is"
    )]
    Field { path: String },
    #[error(
        "{count} containers were given ({names}); give one at a time, each OMS node becomes a Deployment of its own"
    )]
    Several { count: usize, names: String },
    #[error(
        "there is no container in it: docker inspect found none of this name, or an image; give the name of the container"
    )]
    NoContainer,
    #[error(
        "the container {name} is not OMS: none of /home/admin/logs, /home/ds/store, /home/ds/run and \
         /home/admin/conf/config.yaml is mounted; give the container in which OMS runs"
    )]
    NotOms { name: String },
    #[error("the manifests cannot be written as YAML")]
    Unwritable,
    #[error("line {line}: {what}")]
    Word { line: usize, what: String },
}

impl ImportError {
    pub(crate) fn at(line: usize, what: impl Into<String>) -> Self {
        let what = what.into();
        Self::Word { line, what }
    }
}
