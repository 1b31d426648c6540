import { launch } from '../cli/launch.js'

launch(import('../sinks/aff4-sink.js'))
