//! Where the MetaDB account lies: names of objects and keys, never what they hold. No I/O.

/// Where the MetaDB account lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountSource {
    /// Two keys of a Secret.
    Keys {
        /// Name of the Secret.
        secret: String,
        /// Key of the user name.
        user_key: String,
        password_key: String,
    },
    /// OMS's own `config.yaml`.
    ConfigFile(ConfigSource),
}

/// Kinds of object that can hold a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HolderKind {
    Secret,
    ConfigMap,
}

/// One key of a Secret or ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigSource {
    /// Kind of the object.
    pub kind: HolderKind,
    /// Name of the object.
    pub name: String,
    pub key: String,
}
