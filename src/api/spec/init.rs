//! How the end of `docker_init.sh` is known. No I/O.
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// How the end of `docker_init.sh` is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Init {
    /// Texts that the image prints when all steps of the script are done, beside `【结束】全部初始化步骤执行成功` and `[Completed]
    /// All initialization steps are executed`, which always count. Of one line each, with 8 characters at least,
    /// blanks aside, and 120 bytes at most. Colours, blanks, the width of brackets and what stands around it do not
    /// matter. Write here only what the script prints at its very end: where one of them is in its log, HA is
    /// switched on.
    #[schemars(
        length(max = 4),
        inner(length(min = 8, max = 120), regex(pattern = r"^\S[^\r\n]*\S$"))
    )]
    #[x_kube(validation = ("self.all(text, size(bytes(text)) <= 120 && text.matches('([^ ] *){8}'))",
        "init.completionTexts: 8 characters at least, blanks aside, and 120 bytes at most each"))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub completion_texts: Vec<String>,
}
