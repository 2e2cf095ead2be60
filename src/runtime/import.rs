//! `oms-operator import`: reads a container of docker's from a file or from standard input, and prints manifests.
use crate::import::{Choices, import_container};
use std::io::Read;
use std::process::ExitCode;

/// What is read, and what is said besides.
#[derive(Clone, Debug, clap::Args)]
pub struct ImportOptions {
    /// The JSON of `docker inspect NAME`, or a text with the `docker run` line; `-` is standard input.
    #[arg(value_name = "FILE", default_value = "-")]
    file: String,
    /// What OMS becomes. The operator upgrades Deployments.
    #[arg(long, value_enum, default_value_t = Kind::Deployment)]
    kind: Kind,
    /// Namespace of all objects.
    #[arg(long, short, default_value = "oms")]
    namespace: String,
    /// Name of the Deployment; docker's name otherwise. Each node of an installation has its own.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The node on which docker runs OMS, by its label kubernetes.io/hostname.
    #[arg(long, value_name = "NODE")]
    node: Option<String>,
    /// The image that runs now, by the name under which the cluster can pull it.
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// The image of the new version, for the `OmsUpgrade`.
    #[arg(long, value_name = "IMAGE")]
    new_image: Option<String>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
#[value(rename_all = "PascalCase")]
enum Kind {
    Deployment,
}

/// Prints the manifests, or says on standard error what is wrong.
pub fn run_import(options: &ImportOptions) -> ExitCode {
    let Kind::Deployment = options.kind;
    let choices = Choices {
        namespace: options.namespace.clone(),
        name: options.name.clone(),
        node: options.node.clone(),
        image: options.image.clone(),
        new_image: options.new_image.clone(),
    };
    let written = read_text(&options.file)
        .and_then(|text| import_container(&text, &choices).map_err(|error| error.to_string()));
    match written {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("oms-operator import: {}: {error}", options.file);
            ExitCode::FAILURE
        }
    }
}

fn read_text(file: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = match file {
        "-" => std::io::stdin().read_to_end(&mut bytes).map(|_| ()),
        path => std::fs::read(path).map(|all| bytes = all),
    };
    read.map_err(|error| format!("it cannot be read: {error}"))?;
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
}
