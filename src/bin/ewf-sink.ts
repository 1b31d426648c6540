import { launch } from '../cli/launch.js'

launch(import('../sinks/ewf-sink.js'))
