//! Consoles: what they know of `ha.config`, and what they write back when they are stopped.
use super::*;

impl World {
    pub(super) fn stop_console(&mut self, target: &str) {
        let writes_back = self.trouble.write_back;
        let pod = self.find_pod(target);
        pod.console_stopped = true;
        if let Some(text) = pod.console_text.take().filter(|_| writes_back) {
            self.ha = text;
        }
    }

    pub(super) fn start_console(&mut self, target: &str) {
        let text = self.ha.clone();
        let pod = self.find_pod(target);
        if pod.console_stopped {
            pod.console_stopped = false;
            pod.console_pid += 1;
            pod.console_text = Some(text);
        }
    }

    pub(super) fn refresh_consoles(&mut self) {
        let text = self.ha.clone();
        for node in &mut self.nodes {
            if let Some(pod) = node.pod.as_mut().filter(|pod| pod.up) {
                pod.console_text = Some(text.clone());
            }
        }
    }
}
