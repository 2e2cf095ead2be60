//! What stands at the top: in which order a person does what, how the way back goes, what is left out and why.
use crate::import::container::{CERTIFICATES, CONFIG, Container, is_open};
use crate::import::document::MARK;
use crate::import::manifests::{Source, find_image, list_missing, list_secret_variables};
use crate::import::upgrade::find_stranger;

/// Columns of a line, `# ` aside.
const WIDTH: usize = 116;

/// Lines of the comment.
pub(crate) fn write_notes(source: &Source<'_>, marks: usize) -> String {
    let container = source.container;
    let mut page = Page::default();
    page.say(&format!(
        "OMS on Kubernetes, written by `oms-operator import` from {} of {}. Nothing was looked at but that text. A Deployment \
         on the same directories, host address and network; data stays where it is. More: docs/oms-on-kubernetes.md",
        container.source, container.tool
    ));
    page.gap();
    page.say("In this order:");
    page.gap();
    for step in list_steps(source, marks) {
        page.step(&step);
    }
    page.gap();
    page.say("Back to docker at any time before an upgrade, on the same data:");
    page.gap();
    for command in list_ways_back(source) {
        page.command(&command);
    }
    let left = list_left_out(source);
    if !left.is_empty() {
        page.gap();
        page.say("Not in the manifests:");
        page.gap();
        for line in left {
            page.item(&line);
        }
    }
    page.text
}

/// Words, and the commands that follow them.
struct Step {
    words: String,
    commands: Vec<String>,
}

fn list_steps(source: &Source<'_>, marks: usize) -> Vec<Step> {
    let (container, names) = (source.container, &source.names);
    let (namespace, deployment) = (&names.namespace, &names.deployment);
    let step = |words: &str, commands: Vec<String>| Step {
        words: words.to_owned(),
        commands,
    };
    let fill = match marks {
        0 => format!("Read it. Nothing is marked `{MARK}`"),
        count => format!("Put in what is marked `{MARK}` below: {count} place(s)"),
    };
    let mut steps = vec![
        step(&fill, Vec::new()),
        step(
            "The namespace. OMS is privileged:",
            vec![
                format!("kubectl create namespace {namespace}"),
                format!(
                    "kubectl label namespace {namespace} pod-security.kubernetes.io/enforce=privileged"
                ),
            ],
        ),
        make_config_step(source),
    ];
    if container.speaks_https() {
        let files = CERTIFICATES
            .map(|(key, path)| format!(" --from-file={key}={}", name_source(container, path)));
        let name = names.of("https");
        let command = format!(
            "kubectl create secret generic {name} -n {namespace}{}",
            files.concat()
        );
        let words = "The certificate of the console, from the host of docker; leave it and its mounts out where OMS speaks HTTP:";
        steps.push(step(words, vec![command]));
    }
    let secret = list_secret_variables(container);
    if !secret.is_empty() {
        let name = names.of("env");
        let words = format!(
            "The variables {}, whose values are not printed, from a file with a line NAME=VALUE for each:",
            secret.join(", ")
        );
        let command =
            format!("kubectl create secret generic {name} -n {namespace} --from-env-file=FILE");
        steps.push(step(&words, vec![command]));
    }
    let (image, unknown) = find_image(source);
    if unknown.is_some() {
        let words = "The image that runs now, into a registry that the node can pull from; its name, with the version in the tag, \
            goes into the Deployment:";
        let told = container.image.as_deref().unwrap_or("IMAGE");
        let from = if is_open(told) { "IMAGE" } else { told };
        let tool = container.tool;
        let to = format!("registry.example.com/oms:{}", find_tag(&image));
        let commands = vec![
            format!("{tool} tag {from} {to}"),
            format!("{tool} push {to}"),
        ];
        steps.push(step(words, commands));
    }
    steps.push(step(
        "Stop OMS in docker, and see that it does not come back. Two OMS on one MetaDB, or on one directory, spoil positions and \
         data; nothing else keeps them apart. Do not remove it:",
        list_stops(container),
    ));
    steps.push(step(
        "Start OMS here. The label leaves the OmsUpgrade out, which wants the operator:",
        vec![
            "kubectl apply -l app=oms -f FILE".into(),
            format!("kubectl rollout status -n {namespace} deployment/{deployment}"),
        ],
    ));
    steps.push(step(
        "In the console all servers are Online and projects run: HA starts their components again, else start them by hand. Then, at a \
         time that suits, let OMS be restarted once; an upgrade wants to have seen that it survives that:",
        vec![format!("kubectl rollout restart -n {namespace} deployment/{deployment}")],
    ));
    match find_stranger(source) {
        Some(version) => steps.push(step(
            &format!("No OmsUpgrade is printed: the image is of {version}, from which the operator upgrades to no version"),
            Vec::new(),
        )),
        None => steps.push(step(
            "The upgrade begins as a plan, which touches nothing. It needs the operator, the claim oms-backup (docs/prepare.md) and the \
             Secret oms-console (docs/accounts.md):",
            vec!["kubectl apply -f FILE".into()],
        )),
    }
    steps
}

fn make_config_step(source: &Source<'_>) -> Step {
    let (container, names) = (source.container, &source.names);
    let (name, namespace) = (names.of("config"), &names.namespace);
    let create = |path: &str| {
        format!(
            "kubectl create secret generic {name} -n {namespace} --from-file=config.yaml={path}"
        )
    };
    if container.find_mount(CONFIG).is_some() {
        return Step {
            words: "config.yaml, from the host of docker. It holds passwords, so it becomes a Secret and is not printed:".into(),
            commands: vec![create(name_source(container, CONFIG))],
        };
    }
    let (tool, docker) = (container.tool, name_container(container));
    Step {
        words: format!(
            "config.yaml is not mounted: {MARK}, take it out of the container. It holds passwords, so it becomes a Secret and is not printed:"
        ),
        commands: vec![
            format!("{tool} cp {docker}:{CONFIG} config.yaml"),
            create("config.yaml"),
        ],
    }
}

/// The file of the host that is mounted at a path.
fn name_source<'c>(container: &'c Container, path: &str) -> &'c str {
    let source = container
        .find_mount(path)
        .and_then(|mount| mount.source.as_deref());
    source.filter(|text| !is_open(text)).unwrap_or("FILE")
}

fn name_container(container: &Container) -> &str {
    let name = container.name.as_deref().filter(|name| !is_open(name));
    name.unwrap_or("NAME")
}

fn find_tag(image: &str) -> &str {
    let last = image.rsplit('/').next().unwrap_or(image);
    let tag = last.split('@').next().and_then(|last| last.split_once(':'));
    tag.map(|(_, tag)| tag)
        .filter(|tag| !is_open(tag))
        .unwrap_or("change-me")
}

fn list_stops(container: &Container) -> Vec<String> {
    let (tool, name) = (container.tool, name_container(container));
    let mut commands = vec![format!("{tool} stop {name}")];
    let comes_back = container
        .restart
        .as_deref()
        .is_none_or(|policy| !["", "no"].contains(&policy));
    if comes_back {
        commands.insert(0, format!("{tool} update --restart=no {name}"));
    }
    commands
}

fn list_ways_back(source: &Source<'_>) -> Vec<String> {
    let (namespace, deployment) = (&source.names.namespace, &source.names.deployment);
    let (tool, name) = (source.container.tool, name_container(source.container));
    let mut commands = vec![
        format!("kubectl scale -n {namespace} deployment/{deployment} --replicas=0"),
        format!(
            "kubectl wait -n {namespace} pod -l oms-node={deployment} --for=delete --timeout=5m"
        ),
        format!("{tool} start {name}"),
    ];
    let policy = source.container.restart.as_deref().unwrap_or_default();
    if !["", "no"].contains(&policy) {
        commands.push(format!("{tool} update --restart={policy} {name}"));
    }
    commands
}

fn list_left_out(source: &Source<'_>) -> Vec<String> {
    let container = source.container;
    let mut lines: Vec<String> = list_missing(container)
        .into_iter()
        .map(|path| {
            format!(
                "{path}, which OMS keeps data in, is not mounted: {MARK}, copy it out of the container ({} cp), and add a volume there",
                container.tool
            )
        })
        .collect();
    if !container.is_on_host_network() {
        lines.push(format!(
            "the network {}: {MARK}, in a pod of the cluster's network OMS has another address than the host's, by which the MetaDB \
             and other nodes know it; OMS's documents run it on the host's (`hostNetwork: true`)",
            container.network.as_deref().unwrap_or("bridge")
        ));
    } else if !container.ports.is_empty() {
        lines.push("published ports: on the host's network all ports are the host's".into());
    }
    if let Some(policy) = container
        .restart
        .as_deref()
        .filter(|policy| !["", "no"].contains(policy))
    {
        lines.push(format!(
            "--restart {policy}: a Deployment always starts its pod again"
        ));
    }
    let unsure = &container.unsure_variables;
    if !unsure.is_empty() {
        lines.push(format!(
            "{}: variables that the image sets, or -e did, which cannot be told apart here; add to `env` what you gave with -e",
            unsure.join(", ")
        ));
    }
    if container.mounts.iter().any(|mount| mount.is_volume) {
        let tool = container.tool;
        lines.push(format!(
            "that {tool} keeps volumes of its own: `{tool} volume rm` and `{tool} volume prune` would remove the data below; never use them here"
        ));
    }
    let dropped = container.dropped.iter();
    lines.extend(dropped.map(|one| format!("{}: {}", one.what, one.why)));
    lines.push("probes: docker had none. Write them with time enough for OMS to start; an upgrade takes liveness and startup probes out while it lasts".into());
    lines
}

/// A comment that is written line by line.
#[derive(Default)]
struct Page {
    text: String,
    steps: usize,
}

impl Page {
    fn line(&mut self, text: &str) {
        self.text.push_str(format!("# {text}").trim_end());
        self.text.push('\n');
    }

    fn gap(&mut self) {
        self.line("");
    }

    fn say(&mut self, words: &str) {
        self.wrap("", "", words);
    }

    fn item(&mut self, words: &str) {
        self.wrap("  - ", "    ", words);
    }

    fn command(&mut self, command: &str) {
        self.line(&format!("       {command}"));
    }

    fn step(&mut self, step: &Step) {
        self.steps += 1;
        let first = format!("{:>3}. ", self.steps);
        self.wrap(&first, "     ", &step.words);
        for command in &step.commands {
            self.command(command);
        }
    }

    /// Words in lines of the page's width.
    fn wrap(&mut self, first: &str, further: &str, words: &str) {
        let mut line = first.to_owned();
        let mut is_empty = true;
        for word in words.split(' ') {
            if !is_empty && line.chars().count() + word.chars().count() >= WIDTH {
                self.line(&line);
                line = further.to_owned();
                is_empty = true;
            }
            if !is_empty {
                line.push(' ');
            }
            line.push_str(word);
            is_empty = false;
        }
        self.line(&line);
    }
}
