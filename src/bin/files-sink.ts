import { launch } from '../cli/launch.js'

launch(import('../sinks/files-sink.js'))
