/** Checkpoints that another version of torch has written just now, by tests/torch/write.py into build/torch. */
import { repositoryFile } from "../support/files.ts";
import { checkTorchFiles } from "../support/torch.ts";

checkTorchFiles((name) => repositoryFile(`build/torch/${name}`), "an older torch");
