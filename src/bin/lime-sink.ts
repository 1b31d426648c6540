import { launch } from '../cli/launch.js'

launch(import('../sinks/lime-sink.js'))
