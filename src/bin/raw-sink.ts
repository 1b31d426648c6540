import { launch } from '../cli/launch.js'

launch(import('../sinks/raw-sink.js'))
