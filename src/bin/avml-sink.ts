import { launch } from '../cli/launch.js'

launch(import('../sinks/avml-sink.js'))
